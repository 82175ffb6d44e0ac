package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Cluster is a control plane on the loopback address: etcd, the API server and its controllers, and,
// once they are asked for, a scheduler and nodes that kwok plays.
type Cluster struct {
	Programs Programs
	// Folder has the data, the logs and the certificates, for as long as the cluster runs.
	Folder string
	// Logs has what the programs write.
	Logs string
	// CA is trusted by the API server, and by everybody for the API server and policy-server.
	CA *Authority
	// Admin may do everything.
	Admin *rest.Config
	// MoreArguments are for the API server, from its next start on.
	MoreArguments []string
	// ControllersAreOneUser is for the controllers, from their next start on: otherwise each has a
	// service account.
	ControllersAreOneUser bool
	// Client and Dynamic act as Admin.
	Client  kubernetes.Interface
	Dynamic dynamic.Interface

	etcd, apiServer, controllerManager *Process
	port                               int
	apiServerArguments                 []string
	hasNodes                           bool
}

// The controllers whose work the policy judges or must not hinder.
const controllers = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller," +
	"job-controller,cronjob-controller,replicationcontroller-controller,disruption-controller," +
	"garbage-collector-controller,namespace-controller,serviceaccount-controller," +
	"serviceaccount-token-controller,root-ca-certificate-publisher-controller"

// StartCluster starts the control plane, and returns when it is ready.
func StartCluster(ctx context.Context, programs Programs, folder string) (*Cluster, error) {
	c := &Cluster{Programs: programs, Folder: folder, Logs: filepath.Join(folder, "logs")}
	if err := os.MkdirAll(c.Logs, 0o755); err != nil {
		return nil, err
	}
	var err error
	if c.CA, err = NewAuthority(folder, "ca"); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		c.startEtcd, c.configureAPIServer, c.startAPIServer, c.startControllerManager,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return c, Eventually(ctx, time.Minute, func() error { return c.CreateNamespace(ctx, PolicyServerNamespace, nil) })
}

func (c *Cluster) startEtcd(context.Context) error {
	client, err := FreePort()
	if err != nil {
		return err
	}
	peer, err := FreePort()
	if err != nil {
		return err
	}
	clientURL, peerURL := url("http", client), url("http", peer)
	c.apiServerArguments = []string{"--etcd-servers=" + clientURL}
	c.etcd, err = c.start("etcd",
		"--data-dir="+filepath.Join(c.Folder, "etcd"),
		"--listen-client-urls="+clientURL, "--advertise-client-urls="+clientURL,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL,
		"--initial-cluster=default="+peerURL,
		// What is lost when the power fails is of no use to anybody.
		"--unsafe-no-fsync", "--log-level=warn")
	return err
}

func (c *Cluster) configureAPIServer(context.Context) error {
	server, err := c.CA.Sign("kube-apiserver", "kube-apiserver")
	if err != nil {
		return err
	}
	accounts, err := c.CA.Sign("service-accounts", "service-accounts")
	if err != nil {
		return err
	}
	if c.port, err = FreePort(); err != nil {
		return err
	}
	if c.Admin, err = c.user("admin", "kubernetes-admin", "system:masters"); err != nil {
		return err
	}
	if c.Client, err = kubernetes.NewForConfig(c.Admin); err != nil {
		return err
	}
	if c.Dynamic, err = dynamic.NewForConfig(c.Admin); err != nil {
		return err
	}
	audit := filepath.Join(c.Folder, "audit-policy.yaml")
	if err := os.WriteFile(audit, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	c.apiServerArguments = append(c.apiServerArguments,
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(c.port),
		"--tls-cert-file="+server.Certificate, "--tls-private-key-file="+server.Key,
		"--client-ca-file="+c.CA.File,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+accounts.Certificate,
		"--service-account-signing-key-file="+accounts.Key,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC", "--allow-privileged=true", "--endpoint-reconciler-type=none",
		"--audit-policy-file="+audit, "--audit-log-path="+c.AuditLog(), "--profiling=false")
	return nil
}

// AuditLog has a line for each write that a webhook was asked about.
func (c *Cluster) AuditLog() string { return filepath.Join(c.Logs, "audit.log") }

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch]
    resources: [{group: ""}, {group: apps}, {group: batch}]
  - level: None
`

func (c *Cluster) startAPIServer(ctx context.Context) (err error) {
	c.apiServer, err = c.start("kube-apiserver", slices.Concat(c.apiServerArguments, c.MoreArguments)...)
	if err != nil {
		return err
	}
	return c.apiServer.Await(2*time.Minute, func() error {
		if err := c.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
			return err
		}
		_, err := c.Client.CoreV1().Namespaces().Get(ctx, "kube-system", metav1.GetOptions{})
		return err
	})
}

// RestartAPIServer ends the API server, and returns when it is ready again. The controllers are
// restarted as well: they would wait longer and longer before they look for it.
func (c *Cluster) RestartAPIServer(ctx context.Context) error {
	c.controllerManager.Stop()
	c.apiServer.Stop()
	if err := c.startAPIServer(ctx); err != nil {
		return err
	}
	return c.startControllerManager(ctx)
}

func (c *Cluster) startControllerManager(context.Context) error {
	config, err := c.kubeconfigOf("controller-manager", "system:kube-controller-manager")
	if err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	c.controllerManager, err = c.start("kube-controller-manager",
		"--kubeconfig="+config, "--authentication-kubeconfig="+config, "--authorization-kubeconfig="+config,
		"--controllers="+controllers,
		"--use-service-account-credentials="+strconv.FormatBool(!c.ControllersAreOneUser),
		"--service-account-private-key-file="+filepath.Join(c.Folder, "service-accounts.key"),
		"--root-ca-file="+c.CA.File, "--leader-elect=false",
		// Otherwise a thousand Pods take a minute.
		"--kube-api-qps=500", "--kube-api-burst=500",
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(port))
	return err
}

// RestartControllers ends the controllers, and starts them again.
func (c *Cluster) RestartControllers(ctx context.Context) error {
	c.controllerManager.Stop()
	return c.startControllerManager(ctx)
}

// StartNodes starts what Pods need to become ready: a scheduler, nodes, and kwok for their kubelets.
func (c *Cluster) StartNodes(ctx context.Context, count int) error {
	if c.hasNodes {
		return nil
	}
	c.hasNodes = true
	config, err := c.kubeconfigOf("scheduler", "system:kube-scheduler")
	if err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	if _, err = c.start("kube-scheduler",
		"--kubeconfig="+config, "--authentication-kubeconfig="+config, "--authorization-kubeconfig="+config,
		"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(port)); err != nil {
		return err
	}
	for i := range count {
		name := fmt.Sprintf("node-%d", i)
		node := &corev1.Node{}
		node.Name = name
		node.Labels = map[string]string{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
		node.Annotations = map[string]string{"kwok.x-k8s.io/node": "fake"}
		node, err := c.Client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		// The API server adds a taint that the controller of nodes, which does not run, would take off.
		node.Spec.Taints = nil
		if _, err := c.Client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	admin, err := c.kubeconfigOf("kwok", "kwok", "system:masters")
	if err != nil {
		return err
	}
	stages := filepath.Join(filepath.Dir(c.Programs["kwok"]), "kwok-stages.yaml")
	kwok, err := c.start("kwok", "--kubeconfig="+admin, "--config="+stages, "--manage-all-nodes=true",
		"--node-lease-duration-seconds=40", "--server-address=127.0.0.1:0")
	if err != nil {
		return err
	}
	return kwok.Await(time.Minute, func() error {
		nodes, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, node := range nodes.Items {
			if !isReady(&node) {
				return fmt.Errorf("%s is not ready", node.Name)
			}
		}
		return nil
	})
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// CreateNamespace makes a namespace, and returns when Pods can be made in it.
func (c *Cluster) CreateNamespace(ctx context.Context, name string, labels map[string]string) error {
	namespace := &corev1.Namespace{}
	namespace.Name, namespace.Labels = name, labels
	_, err := c.Client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return c.replaceLabels(ctx, name, labels)
	}
	if err != nil {
		return err
	}
	return Eventually(ctx, time.Minute, func() error {
		_, err := c.Client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func (c *Cluster) replaceLabels(ctx context.Context, name string, labels map[string]string) error {
	namespace, err := c.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if namespace.DeletionTimestamp != nil {
		return fmt.Errorf("the namespace %s is about to go away", name)
	}
	namespace.Labels = labels
	_, err = c.Client.CoreV1().Namespaces().Update(ctx, namespace, metav1.UpdateOptions{})
	return err
}

// DeleteNamespace deletes a namespace, and waits until it is gone.
func (c *Cluster) DeleteNamespace(ctx context.Context, name string) error {
	err := c.Client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return Eventually(ctx, 2*time.Minute, func() error {
		_, err := c.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("the namespace %s is still there", name)
		}
		return err
	})
}

// ServiceAccountKubeconfig makes a service account, and a kubeconfig for it.
func (c *Cluster) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	account := &corev1.ServiceAccount{}
	account.Name = name
	_, err := c.Client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", err
	}
	day := int64(24 * 60 * 60)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}
	token, err := c.Client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.Folder, name+".kubeconfig")
	return path, c.writeKubeconfig(path, "default", &clientcmdapi.AuthInfo{Token: token.Status.Token})
}

// AdminKubeconfig is for kubectl, with a namespace for what names none.
func (c *Cluster) AdminKubeconfig(name, namespace string) (string, error) {
	path := filepath.Join(c.Folder, name+".kubeconfig")
	return path, c.writeKubeconfig(path, namespace, &clientcmdapi.AuthInfo{
		ClientCertificate: c.Admin.CertFile, ClientKey: c.Admin.KeyFile,
	})
}

func (c *Cluster) kubeconfigOf(file, name string, groups ...string) (string, error) {
	pair, err := c.CA.Sign(file, name, groups...)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.Folder, file+".kubeconfig")
	return path, c.writeKubeconfig(path, "default", &clientcmdapi.AuthInfo{
		ClientCertificate: pair.Certificate, ClientKey: pair.Key,
	})
}

func (c *Cluster) writeKubeconfig(path, namespace string, user *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{
		Server: url("https", c.port), CertificateAuthority: c.CA.File,
	}
	config.AuthInfos["user"] = user
	config.Contexts["context"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: "user", Namespace: namespace}
	config.CurrentContext = "context"
	return clientcmd.WriteToFile(*config, path)
}

func (c *Cluster) user(file, name string, groups ...string) (*rest.Config, error) {
	pair, err := c.CA.Sign(file, name, groups...)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host: url("https", c.port),
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: c.CA.File, CertFile: pair.Certificate, KeyFile: pair.Key,
		},
		QPS: 1000, Burst: 1000,
		// Answers of a webhook that says no are expected, and warnings are looked at elsewhere.
		WarningHandler: rest.NoWarnings{},
	}, nil
}

func (c *Cluster) start(name string, arguments ...string) (*Process, error) {
	return StartProcess(c.Logs, name, nil, c.Programs[name], arguments...)
}

func url(scheme string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port) }

// Eventually asks until the answer is nil.
func Eventually(ctx context.Context, limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not after %v: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
