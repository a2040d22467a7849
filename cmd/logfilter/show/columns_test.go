package show

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"raftkv/cmd/logfilter/event"
)

func style(width int) Style {
	return Style{Width: width, Clock: Clock{Mode: "clock", Location: time.UTC}}
}

// TestColumnsFit: at every width from 40 to 300 no line is wider than it, each
// node's text stands in its column, and no character of a short message is lost.
func TestColumnsFit(t *testing.T) {
	for width := 40; width <= 300; width++ {
		for _, nodes := range []int{1, 3, 5} {
			var names []string
			for i := range nodes {
				names = append(names, fmt.Sprint("n", i+1))
			}
			var out strings.Builder
			c := NewColumns(&out, style(width), names)
			for i, name := range names {
				e := &event.Event{Time: 1714979289_123456000, HasTime: true, Node: name, Level: event.Warn, Msg: "选举 timeout, a long message with many words: " + strings.Repeat("x", 30)}
				if i == nodes-1 {
					e.Msg = "short"
				}
				if err := c.Event(e, false); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			for _, line := range lines {
				if w := textWidth(line); w > width {
					t.Fatalf("%d nodes in %d characters: a line has %d:\n%s", nodes, width, w, out.String())
				}
			}
			column := strings.Index(lines[0], names[nodes-1])
			last := ""
			for _, line := range lines {
				if len(line) > column && strings.TrimSpace(line[min(c.time, len(line)):column]) == "" {
					last += strings.TrimSpace(line[column:])
				}
			}
			if !strings.Contains(last, "short") {
				t.Fatalf("%d nodes in %d characters: the last one's message is not in its column:\n%s", nodes, width, out.String())
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text          string
		width, height int
		want          string
	}{
		{"one two three", 20, 3, "one two three"},
		{"one two three", 8, 3, "one two|three"},
		{"onetwothree", 4, 2, "onet|wot…"},
		{"a选举b", 2, 9, "a|选|举|b"},
		{"", 5, 2, ""},
	} {
		if got := strings.Join(wrap(test.text, test.width, test.height), "|"); got != test.want {
			t.Errorf("%q in %d: %s, want %s", test.text, test.width, got, test.want)
		}
	}
}

func TestClock(t *testing.T) {
	zone := time.FixedZone("x", 5*3600+45*60)
	for _, ns := range []int64{1714979289_123456789, 1714980000_000000000, 1714953599_999999000, 1714953600_000000000} {
		c := Clock{Mode: "clock", Location: zone}
		if got, want := string(c.append(nil, ns)), time.Unix(0, ns).In(zone).Format("15:04:05.000000"); got != want {
			t.Errorf("%d is shown as %s, want %s", ns, got, want)
		}
	}
	c := Clock{Mode: "delta", Location: time.UTC}
	got := string(c.append(nil, 5e9)) + string(c.append(nil, 6.5e9)) + string(c.append(nil, 6e9))
	if got != "      +0.000000      +1.500000      -0.500000" {
		t.Errorf("%q", got)
	}
	c = Clock{Mode: "relative", Location: time.UTC}
	if got := string(c.append(nil, 5e9)) + string(c.append(nil, 65.5e9)); got != "      +0.000000     +60.500000" {
		t.Errorf("%q", got)
	}
}

// TestSafe: nothing of a log reaches the terminal as a control character.
func TestSafe(t *testing.T) {
	if got := string(appendSafe(nil, "a\x1b[31m\x00é\xff\u009b\n选")); got != `a\x1b[31m\x00é\xff\u009b\n选` {
		t.Errorf("%s", got)
	}
}
