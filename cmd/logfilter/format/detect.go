package format

import (
	"bytes"
	"fmt"
	"strings"

	"raftkv/cmd/logfilter/event"
)

// sampleLines is how many lines decide about a file.
const sampleLines = 200

// Names are what --format takes.
func Names() []string { return []string{"json", "logfmt", "plain", "course"} }

// Check reports what is wrong with options, before any file is read.
func (o Options) Check() error {
	for name := range o.Names {
		if !contains(FieldNames(), name) {
			return fmt.Errorf("--field %s: there is no such field: there are %s", name, strings.Join(FieldNames(), ", "))
		}
	}
	if o.Format != "" && !contains(Names(), o.Format) {
		return fmt.Errorf("--format %s: there are %s", o.Format, strings.Join(Names(), ", "))
	}
	if o.Pattern != "" {
		_, err := NewPattern(o.Pattern, o.Layout)
		return err
	}
	return nil
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// Detect returns the parser for a file that begins with sample: that which most
// of its lines fit. A file none of whose lines fits gets Plain's, which makes
// text of them. o must be one that Check accepts.
func Detect(sample []byte, o Options) Parser {
	if o.Pattern != "" {
		if p, err := NewPattern(o.Pattern, o.Layout); err == nil {
			return p
		}
	}
	lines := firstLines(sample)
	candidates := []Parser{
		&JSON{resolve(o.Names, jsonKeys(lines))},
		&Logfmt{resolve(o.Names, pairKeys(lines))},
		&Course{},
		&Plain{resolve(o.Names, pairKeys(lines))},
	}
	best, most := Parser(candidates[len(candidates)-1]), 0
	for _, p := range candidates {
		if o.Format == p.Name() {
			return p
		}
		fits := 0
		for _, line := range lines {
			var e event.Event
			if p.Parse(line, &e) {
				fits++
			}
		}
		if fits > most {
			best, most = p, fits
		}
	}
	return best
}

func firstLines(sample []byte) [][]byte {
	var lines [][]byte
	for len(lines) < sampleLines && len(sample) > 0 {
		line, rest, whole := bytes.Cut(sample, []byte{'\n'})
		if line = bytes.TrimRight(line, "\r"); len(line) > 0 && (whole || len(lines) == 0) {
			lines = append(lines, line)
		}
		sample = rest
	}
	return lines
}

// jsonKeys tells which keys the objects among lines have.
func jsonKeys(lines [][]byte) func(string) bool {
	seen := make(map[string]bool)
	for _, line := range lines {
		var m members
		if !m.begin(line) {
			continue
		}
		for first := true; ; first = false {
			key, _, v := m.next(first)
			if v != member {
				break
			}
			seen[decodeText(key)] = true
		}
	}
	return func(key string) bool { return seen[key] }
}

// pairKeys tells which keys key=value pairs among lines have.
func pairKeys(lines [][]byte) func(string) bool {
	seen := make(map[string]bool)
	for _, line := range lines {
		for {
			at := bytes.IndexByte(line, '=')
			if at < 0 {
				break
			}
			start := at
			for start > 0 && keyByte(line[start-1]) {
				start--
			}
			seen[string(line[start:at])] = true
			line = line[at+1:]
		}
	}
	return func(key string) bool { return seen[key] }
}
