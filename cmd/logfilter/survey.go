package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
	"raftkv/cmd/logfilter/source"
)

// survey is what a glance at the logs tells, at the beginning of each file that
// can be looked at without reading it for good.
type survey struct {
	nodes, topics, attrs []string
	// first and last are the times of the logs' ends, if timed.
	first, last int64
	timed       bool
}

// look glances at the logs.
func look(logs []source.Stream, o format.Options) (*survey, error) {
	s := &survey{}
	for _, log := range logs {
		for i, path := range log.Files {
			if path == source.Stdin {
				continue
			}
			err := s.file(log, path, i == len(log.Files)-1, o)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	slices.SortFunc(s.nodes, natural)
	slices.Sort(s.topics)
	slices.Sort(s.attrs)
	return s, nil
}

func (s *survey) file(log source.Stream, path string, newest bool, o format.Options) error {
	f, err := source.Open(path, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	var sample []byte
	if f.Seekable() {
		sample, err = f.Sample()
	} else {
		sample, err = head(f)
	}
	if err != nil {
		return err
	}
	parser := format.Detect(sample, o)
	s.lines(log, sample, parser)
	if newest && f.Seekable() {
		if last, ok, err := f.Last(parser.Time); err == nil && ok {
			s.time(last)
		}
	}
	return nil
}

// head reads the beginning of a compressed file.
func head(r io.Reader) ([]byte, error) {
	b := make([]byte, 64<<10)
	n, err := io.ReadFull(r, b)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return b[:n], err
}

func (s *survey) time(t int64) {
	if !s.timed {
		s.first, s.last, s.timed = t, t, true
	}
	s.first, s.last = min(s.first, t), max(s.last, t)
}

func (s *survey) lines(log source.Stream, sample []byte, p format.Parser) {
	for line := range bytes.Lines(sample) {
		line = bytes.TrimRight(line, "\r\n")
		e := event.Event{Raw: line, Node: log.Node}
		if !p.Parse(line, &e) {
			continue
		}
		if e.HasTime {
			s.time(e.Time)
		}
		note(&s.nodes, e.Node)
		note(&s.topics, e.Topic)
		e.Attrs(func(name string, _ event.Value) bool {
			note(&s.attrs, name)
			return true
		})
	}
	if len(s.nodes) == 0 {
		note(&s.nodes, log.Node)
	}
}

// maxNames bounds what is noted of logs with a name of its own in every line.
const maxNames = 1000

func note(names *[]string, name string) {
	if name != "" && len(*names) < maxNames && !slices.Contains(*names, name) {
		*names = append(*names, strings.Clone(name))
	}
}

// natural orders n2 before n10.
func natural(a, b string) int {
	if len(a) != len(b) && strings.TrimRight(a, "0123456789") == strings.TrimRight(b, "0123456789") {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
