package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Programs is where the programs are, by name.
type Programs map[string]string

// What is needed, how it says its version, and where it comes from.
var needed = []struct{ name, version, origin string }{
	{"etcd", "--version", builtHere},
	{"kube-apiserver", "--version", builtHere},
	{"kube-controller-manager", "--version", builtHere},
	{"kube-scheduler", "--version", builtHere},
	{"kubectl", "version --client", builtHere},
	{"kwok", "--version", builtHere},
	{"policy-server", "--version", "the image ghcr.io/kubewarden/adm-controller/policy-server, 1.36 or later, has it as /policy-server; put it on the PATH"},
	{"audit-scanner", "", "the image ghcr.io/kubewarden/adm-controller/audit-scanner, 1.36 or later, has it as /audit-scanner, and `go build ./cmd/audit-scanner` in github.com/kubewarden/kubewarden-controller makes it; put it on the PATH"},
	{"docker-registry", "--version", "Debian and Ubuntu have it: apt-get install docker-registry"},
}

const builtHere = "make cluster-programs"

// Needs names what is missing and is not built here.
func Needs() error {
	_, err := findAll("", func(origin string) bool { return origin != builtHere })
	return err
}

// FindPrograms looks into KUBEBUILDER_ASSETS, into the folder of what was built, and along the PATH.
func FindPrograms(built string) (Programs, error) {
	return findAll(built, func(string) bool { return true })
}

func findAll(built string, isWanted func(origin string) bool) (Programs, error) {
	programs := Programs{}
	var missing []string
	for _, program := range needed {
		if !isWanted(program.origin) {
			continue
		}
		path := find(built, program.name)
		if path == "" {
			missing = append(missing, fmt.Sprintf("%s is missing: %s", program.name, program.origin))
			continue
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		programs[program.name] = absolute
	}
	if missing != nil {
		return nil, fmt.Errorf("%s", strings.Join(missing, "\n"))
	}
	return programs, nil
}

func find(built, name string) string {
	for _, folder := range []string{os.Getenv("KUBEBUILDER_ASSETS"), built} {
		if folder == "" {
			continue
		}
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

var version = regexp.MustCompile(`v?[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.-]+)?`)

// Versions is what each program says of itself.
func (p Programs) Versions() []string {
	var lines []string
	for _, program := range needed {
		found := "says no version"
		if program.version == "" {
			if info, err := buildinfo.ReadFile(p[program.name]); err == nil {
				found = info.Main.Path + " " + info.Main.Version
			}
		} else {
			output, _ := exec.Command(p[program.name], strings.Fields(program.version)...).CombinedOutput()
			found = version.FindString(string(output))
		}
		lines = append(lines, fmt.Sprintf("%-24s %s", program.name, found))
	}
	return lines
}
