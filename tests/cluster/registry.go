package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Registry is Debian's docker-registry on the loopback address, with a few images: see push.
type Registry struct {
	address string
	key     *ecdsa.PrivateKey
}

// Address is how images name it; without a registry nobody is asked for it.
func (r *Registry) Address() string {
	if r == nil {
		return ""
	}
	return r.address
}

// startRegistry starts it once, and fills it.
func (b *Bench) startRegistry(ctx context.Context) error {
	if b.Registry != nil {
		return nil
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	config := filepath.Join(b.Folder, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: '%s'}\n",
		filepath.Join(b.Folder, "registry"), address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	process, err := StartProcess(b.Logs, "docker-registry", nil, b.Programs["docker-registry"], "serve", config)
	if err != nil {
		return err
	}
	registry := &Registry{address: address}
	err = process.Await(30*time.Second, func() error {
		_, err := registry.do(ctx, http.MethodGet, "/v2/", "", nil)
		return err
	})
	if err != nil {
		return err
	}
	if err := registry.fill(ctx); err != nil {
		return err
	}
	b.Registry = registry
	return nil
}

// fill pushes the images of the scenarios.
func (r *Registry) fill(ctx context.Context) error {
	var err error
	if r.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now, longAgo := time.Now(), time.Now().AddDate(-2, 0, 0)
	older, err := r.push(ctx, "base", "1", now, "older", nil)
	if err != nil {
		return err
	}
	newer, err := r.push(ctx, "base", "1", now, "newer", nil)
	if err != nil {
		return err
	}
	for _, image := range []struct {
		name    string
		created time.Time
		base    string
		key     *ecdsa.PrivateKey
	}{
		{"good", now, newer, r.key},
		{"unsigned", now, newer, nil},
		{"by-a-stranger", now, newer, stranger},
		{"old", longAgo, newer, r.key},
		{"base-moved", now, older, r.key},
	} {
		digest, err := r.push(ctx, image.name, "1", image.created, image.name, map[string]string{
			"org.opencontainers.image.base.name":   r.address + "/base:1",
			"org.opencontainers.image.base.digest": image.base,
		})
		if err != nil {
			return err
		}
		if image.key != nil {
			if err := r.sign(ctx, image.name, digest, image.key); err != nil {
				return err
			}
		}
	}
	return nil
}

// PublicKey is that of who has signed the good image, in PEM.
func (r *Registry) PublicKey() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(r.key.Public())
	return string(block("PUBLIC KEY", der)), err
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// push pushes an image of one layer, and returns its digest.
func (r *Registry) push(
	ctx context.Context, name, tag string, created time.Time, content string, annotations map[string]string,
) (string, error) {
	layer, err := r.pushBlob(ctx, name, "application/vnd.oci.image.layer.v1.tar", []byte(content))
	if err != nil {
		return "", err
	}
	config, err := r.pushBlob(ctx, name, "application/vnd.oci.image.config.v1+json", fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","created":"%s","rootfs":{"type":"layers","diff_ids":["%s"]}}`,
		created.UTC().Format(time.RFC3339), layer.Digest))
	if err != nil {
		return "", err
	}
	return r.pushManifest(ctx, name, tag, config, layer, annotations)
}

// sign stores a signature where cosign looks for it.
func (r *Registry) sign(ctx context.Context, name, digest string, key *ecdsa.PrivateKey) error {
	payload := fmt.Appendf(nil,
		`{"critical":{"identity":{"docker-reference":"%s/%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`,
		r.address, name, digest)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return err
	}
	layer, err := r.pushBlob(ctx, name, "application/vnd.dev.cosign.simplesigning.v1+json", payload)
	if err != nil {
		return err
	}
	layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)}
	config, err := r.pushBlob(ctx, name, "application/vnd.oci.image.config.v1+json", []byte("{}"))
	if err != nil {
		return err
	}
	_, err = r.pushManifest(ctx, name, strings.Replace(digest, ":", "-", 1)+".sig", config, layer, nil)
	return err
}

func (r *Registry) pushBlob(ctx context.Context, name, mediaType string, content []byte) (descriptor, error) {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	place, err := r.do(ctx, http.MethodPost, "/v2/"+name+"/blobs/uploads/", "", nil)
	if err != nil {
		return descriptor{}, err
	}
	place.RawQuery += "&digest=" + digest
	_, err = r.do(ctx, http.MethodPut, place.RequestURI(), "application/octet-stream", content)
	return descriptor{MediaType: mediaType, Digest: digest, Size: len(content)}, err
}

func (r *Registry) pushManifest(
	ctx context.Context, name, tag string, config, layer descriptor, annotations map[string]string,
) (string, error) {
	const mediaType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": mediaType, "config": config, "layers": []descriptor{layer}, "annotations": annotations,
	})
	if err != nil {
		return "", err
	}
	_, err = r.do(ctx, http.MethodPut, "/v2/"+name+"/manifests/"+tag, mediaType, manifest)
	return fmt.Sprintf("sha256:%x", sha256.Sum256(manifest)), err
}

// do returns the place that the registry names in its answer, if it names one.
func (r *Registry) do(ctx context.Context, method, path, mediaType string, body []byte) (*neturl.URL, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", mediaType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	place, err := response.Location()
	if err == http.ErrNoLocation {
		return nil, nil
	}
	return place, err
}

// ofRegistry puts the registry and the key into settings that name them.
func (r *Registry) ofRegistry(settings json.RawMessage) (json.RawMessage, error) {
	if r == nil || settings == nil {
		return settings, nil
	}
	key, err := r.PublicKey()
	if err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	replacer := strings.NewReplacer("$REGISTRY", r.address, "$PUBLIC_KEY", strings.Trim(string(quoted), `"`))
	return json.RawMessage(replacer.Replace(string(settings))), nil
}
