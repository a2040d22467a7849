package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"raftkv/kv/eventlog"
)

// Values of flags are checked when they are given, before anything is started.
var (
	_ pflag.Value = (*size)(nil)
	_ pflag.Value = (*choice)(nil)
	_ pflag.Value = (*topics)(nil)
)

// choice is one of a few words.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) Set(text string) error {
	if !slices.Contains(c.allowed, text) {
		return fmt.Errorf("there are %s", strings.Join(c.allowed, ", "))
	}
	c.value = text
	return nil
}

func (c *choice) String() string { return c.value }

func (*choice) Type() string { return "word" }

// size is a number of bytes with a unit: 512mb, 1gb, 4096.
type size int64

var units = []struct {
	suffix string
	factor int64
}{{"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"b", 1}, {"", 1}}

func (s *size) Set(text string) error {
	lower := strings.ToLower(text)
	for _, u := range units {
		if number, ok := strings.CutSuffix(lower, u.suffix); ok {
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || n < 0 || n > 1<<62/u.factor {
				return fmt.Errorf("%q is no size such as 512mb", text)
			}
			*s = size(n * u.factor)
			return nil
		}
	}
	return nil
}

func (s *size) String() string {
	for _, u := range units[:3] {
		if n := int64(*s); n >= u.factor && n%u.factor == 0 {
			return fmt.Sprintf("%d%s", n/u.factor, u.suffix)
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

func (*size) Type() string { return "size" }

// topics are those of a trace.
type topics []string

func (t *topics) Set(text string) (err error) {
	*t, err = eventlog.ParseTraceTopics(text)
	return err
}

func (t *topics) String() string {
	switch len(*t) {
	case 0:
		return "off"
	case len(eventlog.TraceTopics()):
		return "all"
	}
	return strings.Join(*t, ",")
}

func (*topics) Type() string { return "topics" }
