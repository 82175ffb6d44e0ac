package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"

	admission "k8s.io/api/admission/v1"
)

// Recorder stands between the API server and policy-server, and keeps what they say to each other.
type Recorder struct {
	server *http.Server
	port   int
	client *http.Client

	mutex    sync.Mutex
	upstream string
	reviews  []Review
}

// Review is a question of the API server with the answer to it.
type Review struct {
	// Policy is the one that was asked, by its name in policy-server.
	Policy   string                       `json:"policy"`
	Request  json.RawMessage              `json:"request"`
	Response *admission.AdmissionResponse `json:"response"`
	request  admission.AdmissionRequest
}

// NewRecorder listens on a free port.
func NewRecorder(ca *Authority) (*Recorder, error) {
	pair, err := ca.Sign("recorder", "recorder")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	r := &Recorder{port: port, client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 100,
	}}}
	r.server = &http.Server{
		Addr: "127.0.0.1:" + strconv.Itoa(port), Handler: r, ReadHeaderTimeout: 10 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- r.server.ListenAndServeTLS(pair.Certificate, pair.Key) }()
	select {
	case err := <-failed:
		return nil, err
	case <-time.After(50 * time.Millisecond):
		return r, nil
	}
}

// URL is where the API server finds it.
func (r *Recorder) URL() string { return url("https", r.port) }

// Stop ends it.
func (r *Recorder) Stop() { _ = r.server.Close() }

// Forward says where the questions go from now on, and forgets what was asked before.
func (r *Recorder) Forward(upstream string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.upstream, r.reviews = upstream, nil
}

// Since has what was asked in a namespace after the first so many reviews.
func (r *Recorder) Since(first int, namespace string) []Review {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var found []Review
	for _, review := range r.reviews[first:] {
		if review.request.Namespace == namespace {
			found = append(found, review)
		}
	}
	return found
}

// Count is how many there are.
func (r *Recorder) Count() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return len(r.reviews)
}

func (r *Recorder) ServeHTTP(answer http.ResponseWriter, question *http.Request) {
	body, err := io.ReadAll(question.Body)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	status, response, err := r.ask(question.Context(), question.URL.RequestURI(), body)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadGateway)
		return
	}
	r.keep(path.Base(question.URL.Path), body, response)
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	_, _ = answer.Write(response)
}

func (r *Recorder) ask(ctx context.Context, uri string, body []byte) (int, []byte, error) {
	r.mutex.Lock()
	upstream := r.upstream
	r.mutex.Unlock()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, upstream+uri, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

func (r *Recorder) keep(policy string, body, response []byte) {
	var asked struct {
		Request json.RawMessage `json:"request"`
	}
	var answered admission.AdmissionReview
	review := Review{Policy: policy}
	if json.Unmarshal(body, &asked) != nil || json.Unmarshal(asked.Request, &review.request) != nil {
		return
	}
	review.Request = asked.Request
	if json.Unmarshal(response, &answered) == nil {
		review.Response = answered.Response
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.reviews = append(r.reviews, review)
}

// All are the reviews since the last Forward.
func (r *Recorder) All() []Review {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.reviews)
}
