// Package kwok names the version of kwok, which plays the kubelets of make cluster. It has another
// version of Kubernetes's modules than the API server, and so a module of its own.
package kwok
