package diagram

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// element is one of a picture, with its text.
type element struct {
	name, text string
	attrs      map[string]string
}

// elements reads a picture, which must be well-formed.
func elements(t *testing.T, d *Data) []element {
	t.Helper()
	var b bytes.Buffer
	if err := SVG(&b, d, time.UTC); err != nil {
		t.Fatal(err)
	}
	var all []element
	var open []int
	for decoder := xml.NewDecoder(&b); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attrs: map[string]string{}}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			open = append(open, len(all))
			all = append(all, e)
		case xml.CharData:
			if len(open) > 0 {
				all[open[len(open)-1]].text += string(token)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// story is three groups on two nodes: each leads some, at times that do not follow
// the groups' numbers.
func story() *Data {
	sent, received := 10.0, 12.0
	return &Data{
		Title: "2 nodes, 1s", Start: 1714980000250, Span: 1000, Nodes: []string{"n1", "n<2>"}, Notes: []string{"5 of 6 & more"},
		Messages: []Message{{Kind: Append, From: 0, To: 1, Sent: &sent, Received: &received, Index: 4}, {Kind: Vote, From: 1, To: 0, Sent: &sent}},
		Reigns:   []Reign{{0, 0, 4, 900, 1000, ""}, {0, 1, 2, 100, 800, ""}, {0, 2, 3, 101, 800, ""}, {1, 0, 3, 100, 300, ""}},
		Marks:    []Mark{{"leader", 0, 100, 1, `won & "leads"`}, {"strange", 1, 500, -1, "x"}},
		Spans:    []Span{{"fault", -1, 300, 400, "pause n2 <now>"}, {"down", 1, 400, 700, "down"}, {"stall", 0, 500, 501, "stalled"}},
	}
}

func TestSVGNamesWhatItShows(t *testing.T) {
	all := elements(t, story())
	var texts []string
	at := map[string][]float64{} // heights of reigns' labels, by node
	bars := map[string]bool{}
	for _, e := range all {
		if e.name == "text" {
			texts = append(texts, e.text)
		}
		if strings.HasPrefix(e.text, "leads g") && e.name == "text" {
			y, err := strconv.ParseFloat(e.attrs["y"], 64)
			if err != nil {
				t.Fatal(err)
			}
			at[e.attrs["class"]] = append(at[e.attrs["class"]], y)
		}
		if e.name == "rect" && strings.HasPrefix(e.attrs["class"], "n") {
			bars[e.attrs["x"]] = true
		}
	}
	shown := strings.Join(texts, "|")
	for _, want := range []string{"2 nodes, 1s", "append", "vote", "leader", "its answer", "did not arrive", "down", "stalled", "n<2>", "pause n2 <now>", "leads g0 t4", "leads g1 t2", "leads g0 t3", "5 of 6 & more", "07:20:00.300"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in %s", want, shown)
		}
	}
	if strings.Contains(shown, "heartbeat") {
		t.Error("the legend has what is not drawn")
	}
	// A later group's earlier reign has its label as well; one on another has none.
	if n := len(at["halo n0"]); n != 2 {
		t.Errorf("labels of n1 are at %v", at["halo n0"])
	}
	if len(bars) != 4 {
		t.Errorf("reigns of three groups and two nodes are at %v", bars)
	}
}

func TestSVGOfNothing(t *testing.T) {
	if n := len(elements(t, &Data{Title: "0 nodes", Nodes: []string{}})); n < 3 {
		t.Errorf("%d elements", n)
	}
}
