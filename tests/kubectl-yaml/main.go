// Records how kubectl reads YAML.
//
//	go run . table.jsonl     what kubectl makes of each input of the table is written into it
//	go run . -answer         a line of hexadecimal digits on stdin, a line of JSON on stdout, and so on
//
// A file goes the way that it goes in kubectl: its encoding by the byte order mark (FileVisitor of
// k8s.io/cli-runtime/pkg/resource), then the documents (YAMLOrJSONDecoder of
// k8s.io/apimachinery/pkg/util/yaml), each through sigs.k8s.io/yaml, and without those that are
// null (StreamVisitor).
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/runtime"
	apimachinery "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// One line of the table. What is above Documents is written by people, in this order.
type row struct {
	Case string `json:"case"`
	// Why this reader refuses what kubectl reads.
	Refused string `json:"refused,omitempty"`
	// Text, or a list of texts and repetitions.
	Input json.RawMessage `json:"input,omitempty"`
	// Bytes, where they are no text.
	Hex string `json:"hex,omitempty"`
	outcome
}

// What kubectl sends before it stops, and why it stops before the end of the file.
type outcome struct {
	Documents []json.RawMessage `json:"documents"`
	Error     string            `json:"error,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 1 && arguments[0] == "-answer":
		return answer(os.Stdin, os.Stdout)
	case len(arguments) == 1:
		return record(arguments[0])
	default:
		return errors.New("usage: kubectl-yaml table.jsonl | kubectl-yaml -answer")
	}
}

func record(path string) error {
	table, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var recorded bytes.Buffer
	for number, line := range strings.Split(strings.TrimSuffix(string(table), "\n"), "\n") {
		var row row
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&row); err != nil {
			return fmt.Errorf("%s:%d: %w", path, number+1, err)
		}
		input, err := row.bytes()
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, number+1, err)
		}
		row.outcome = read(input)
		if err := compare(input, row.outcome); err != nil {
			return fmt.Errorf("%s:%d: %w", path, number+1, err)
		}
		if err := write(&recorded, row); err != nil {
			return fmt.Errorf("%s:%d: %w", path, number+1, err)
		}
	}
	return os.WriteFile(path, recorded.Bytes(), 0o644)
}

func answer(questions io.Reader, answers io.Writer) error {
	lines := bufio.NewReader(questions)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		input, err := hex.DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return err
		}
		if err := write(answers, read(input)); err != nil {
			return err
		}
	}
}

func (r row) bytes() ([]byte, error) {
	if r.Input == nil {
		return hex.DecodeString(r.Hex)
	}
	var text string
	if json.Unmarshal(r.Input, &text) == nil {
		return []byte(text), nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(r.Input, &parts); err != nil {
		return nil, err
	}
	var whole bytes.Buffer
	for _, part := range parts {
		if json.Unmarshal(part, &text) == nil {
			whole.WriteString(text)
			continue
		}
		var repetition struct {
			Text  string `json:"text"`
			Times int    `json:"times"`
		}
		if err := json.Unmarshal(part, &repetition); err != nil {
			return nil, err
		}
		whole.WriteString(strings.Repeat(repetition.Text, repetition.Times))
	}
	return whole.Bytes(), nil
}

func read(input []byte) outcome {
	documents := []json.RawMessage{}
	decoded := transform.NewReader(bytes.NewReader(input), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	decoder := apimachinery.NewYAMLOrJSONDecoder(decoded, 4096)
	for {
		var extension runtime.RawExtension
		if err := decoder.Decode(&extension); err == io.EOF {
			return outcome{Documents: documents}
		} else if err != nil {
			return outcome{Documents: documents, Error: err.Error()}
		}
		raw := bytes.TrimSpace(extension.Raw)
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		documents = append(documents, json.RawMessage(raw))
	}
}

// A file of one document is to kubectl what it is to sigs.k8s.io/yaml alone, as far as kubectl does
// not change the text before: encoding, line ends, documents.
func compare(input []byte, outcome outcome) error {
	isAsItIs := utf8.Valid(input) && bytes.HasSuffix(input, []byte("\n")) &&
		!bytes.Contains(input, []byte("\xef\xbb\xbf")) && !bytes.Contains(input, []byte("\r")) &&
		!bytes.Contains(input, []byte("---")) && !apimachinery.IsJSONBuffer(input)
	if !isAsItIs {
		return nil
	}
	alone, err := yaml.YAMLToJSON(input)
	if (err != nil) != (outcome.Error != "") {
		return fmt.Errorf("kubectl says %q, sigs.k8s.io/yaml %w", outcome.Error, err)
	}
	if err != nil || bytes.Equal(alone, []byte("null")) {
		return nil
	}
	if len(outcome.Documents) != 1 || !bytes.Equal(alone, outcome.Documents[0]) {
		return fmt.Errorf("kubectl reads %s, sigs.k8s.io/yaml %s", outcome.Documents, alone)
	}
	return nil
}

func write(to io.Writer, line any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(line)
}
