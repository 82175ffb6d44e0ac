package main

import (
	"fmt"
	"math/rand/v2"
)

// generatedPod is a pod with every field that the restricted level reads, most of them as they should
// be. The API server takes most of these pods.
func generatedPod(seed uint64) map[string]any {
	g := generator{rand.New(rand.NewPCG(seed, 1))}
	// One value in so many is odd.
	rarity := pick(g, 200, 60, 20, 6)
	isWindows := g.oneIn(8)
	spec := map[string]any{}
	if isWindows {
		spec["os"] = map[string]any{"name": "windows"}
	}
	odd := func() bool { return g.oneIn(rarity) }
	if !isWindows {
		for _, key := range []string{"hostPID", "hostIPC", "hostNetwork"} {
			if odd() {
				spec[key] = true
			}
		}
		if g.oneIn(6) && spec["hostPID"] == nil && spec["hostIPC"] == nil && spec["hostNetwork"] == nil {
			spec["hostUsers"] = pick(g, true, false)
		}
	}
	context := map[string]any{}
	isSetForPod := g.oneIn(2)
	if isSetForPod {
		g.context(context, isWindows, odd)
	}
	if !isWindows && odd() {
		context["sysctls"] = []any{map[string]any{
			"name": pick(g, "net.ipv4.ip_local_port_range", "kernel.shm_rmid_forced", "net.ipv4.tcp_keepalive_time", "net.core.somaxconn", "kernel.sem"), "value": "1",
		}}
	}
	if len(context) > 0 {
		spec["securityContext"] = context
	}
	g.volumes(spec, odd)
	for _, list := range []string{"containers", "initContainers"} {
		count := 1 + g.IntN(2)
		if list == "initContainers" {
			count = g.IntN(2)
		}
		var containers []any
		for i := range count {
			containers = append(containers, g.container(fmt.Sprintf("%s-%d", list[:4], i), list, isSetForPod, isWindows, odd))
		}
		if containers != nil {
			spec[list] = containers
		}
	}
	metadata := map[string]any{}
	if !isWindows && g.oneIn(10) {
		metadata["annotations"] = map[string]any{
			"container.apparmor.security.beta.kubernetes.io/cont-0": pick(g, "runtime/default", "localhost/profile", "unconfined"),
		}
	}
	return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
}

type generator struct{ *rand.Rand }

func (g generator) oneIn(count int) bool { return g.IntN(count) == 0 }

func pick[T any](g generator, choices ...T) T { return choices[g.IntN(len(choices))] }

// context writes what a pod and a container may both say.
func (g generator) context(context map[string]any, isWindows bool, odd func() bool) {
	profile := func() map[string]any {
		if odd() {
			return map[string]any{"type": "Unconfined"}
		}
		if g.oneIn(4) {
			return map[string]any{"type": "Localhost", "localhostProfile": "profile"}
		}
		return map[string]any{"type": "RuntimeDefault"}
	}
	if !odd() {
		context["runAsNonRoot"] = !odd()
	}
	if isWindows {
		if odd() {
			context["windowsOptions"] = map[string]any{"hostProcess": pick(g, true, false), "runAsUserName": "NT AUTHORITY\\SYSTEM"}
		}
		return
	}
	if !odd() {
		context["seccompProfile"] = profile()
	}
	if g.oneIn(2) {
		context["appArmorProfile"] = profile()
	}
	if g.oneIn(2) {
		context["runAsUser"] = 1000
		if odd() {
			context["runAsUser"] = 0
		}
	}
	if g.oneIn(4) {
		options := map[string]any{"level": "s0:c123,c456"}
		if g.oneIn(2) {
			options["type"] = pick(g, "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
		}
		if odd() {
			options[pick(g, "type", "user", "role")] = "spc_t"
		}
		context["seLinuxOptions"] = options
	}
}

func (g generator) container(name, list string, isSetForPod, isWindows bool, odd func() bool) map[string]any {
	context := map[string]any{}
	if !isSetForPod || g.oneIn(4) {
		g.context(context, isWindows, odd)
	}
	if !isWindows {
		if !odd() {
			context["allowPrivilegeEscalation"] = odd()
		}
		capabilities := map[string]any{}
		if !odd() {
			capabilities["drop"] = []any{"ALL"}
		} else if g.oneIn(2) {
			capabilities["drop"] = []any{pick(g, "all", "NET_RAW", "CAP_ALL")}
		}
		if g.oneIn(4) {
			capabilities["add"] = []any{"NET_BIND_SERVICE"}
		}
		if odd() {
			capabilities["add"] = []any{pick(g, "CHOWN", "SYS_ADMIN", "net_bind_service", "ALL")}
		}
		if len(capabilities) > 0 {
			context["capabilities"] = capabilities
		}
		if odd() {
			context["privileged"] = pick(g, true, false)
			if context["privileged"] == true {
				context["allowPrivilegeEscalation"] = true
			}
		}
		if odd() {
			context["procMount"] = pick(g, "Default", "Unmasked")
		}
	}
	container := map[string]any{"name": name, "image": "registry.example/app:1"}
	if len(context) > 0 || g.oneIn(2) {
		container["securityContext"] = context
	}
	if g.oneIn(3) {
		port := map[string]any{"containerPort": 8080}
		if odd() {
			port["hostPort"] = pick(g, 0, 8080)
		}
		container["ports"] = []any{port}
	}
	if list == "containers" && g.oneIn(4) {
		handler := map[string]any{"httpGet": map[string]any{"port": 8080, "path": "/"}}
		if odd() {
			handler["httpGet"].(map[string]any)["host"] = pick(g, "127.0.0.1", "169.254.169.254", "")
		}
		container[pick(g, "livenessProbe", "readinessProbe", "startupProbe")] = handler
	}
	if list == "containers" && g.oneIn(8) {
		handler := map[string]any{"tcpSocket": map[string]any{"port": 8080}}
		if odd() {
			handler["tcpSocket"].(map[string]any)["host"] = "10.0.0.1"
		}
		container["lifecycle"] = map[string]any{pick(g, "postStart", "preStop"): handler}
	}
	return container
}

func (g generator) volumes(spec map[string]any, odd func() bool) {
	good := []map[string]any{
		{"emptyDir": map[string]any{}},
		{"configMap": map[string]any{"name": "settings"}},
		{"secret": map[string]any{"secretName": "keys"}},
		{"persistentVolumeClaim": map[string]any{"claimName": "data"}},
		{"projected": map[string]any{"sources": []any{}}},
		{"downwardAPI": map[string]any{}},
		{"csi": map[string]any{"driver": "csi.example"}},
		{"image": map[string]any{"reference": "registry.example/files:1"}},
		{},
	}
	bad := []map[string]any{
		{"hostPath": map[string]any{"path": "/var/log"}},
		{"nfs": map[string]any{"server": "nfs.example", "path": "/"}},
		{"iscsi": map[string]any{"targetPortal": "10.0.0.1", "iqn": "iqn.2026-01.example:disk", "lun": 0}},
		{"azureFile": map[string]any{"secretName": "keys", "shareName": "share"}},
		{"fc": map[string]any{"targetWWNs": []any{"50060e801049cfd1"}, "lun": 0}},
	}
	var volumes []any
	for i := range g.IntN(3) {
		source := pick(g, good...)
		if odd() {
			source = pick(g, bad...)
		}
		volume := map[string]any{"name": fmt.Sprintf("volume-%d", i)}
		for key, value := range source {
			volume[key] = value
		}
		volumes = append(volumes, volume)
	}
	if volumes != nil {
		spec["volumes"] = volumes
	}
}
