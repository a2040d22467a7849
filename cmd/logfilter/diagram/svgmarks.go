package diagram

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"strings"
)

// laneClass names the style of a node's colour; there are eight.
func laneClass(node int) string { return fmt.Sprint("n", node%8) }

var kindColours = map[string]string{
	Append: "#2f6fed", Empty: "#93a9d6", Beat: "#a9b1c0", Vote: "#8b3fd9", PreVote: "#bf93ea", TimeoutNo: "#d94fb0", Snapshot: "#e07b1a",
	"stored": "#7f93ad", "applied": "#22a06b", "election": "#8b3fd9", "leader": "#d4a106", "migration": "#d6408f", "fault": "#d64545",
	"start": "#22a06b", "stop": "#d64545", "warn": "#d9962a", "error": "#d64545",
}

// legendNames are what kinds are called, in the order of the legend.
var legendNames = []struct {
	kind, name string
	message    bool
}{
	{Append, "append", true}, {Empty, "empty append", true}, {Beat, "heartbeat", true}, {Vote, "vote", true}, {PreVote, "pre-vote", true},
	{TimeoutNo, "hand-over", true}, {Snapshot, "snapshot", true},
	{"stored", "on disk", false}, {"applied", "applied", false}, {"election", "candidate", false}, {"leader", "leader", false},
	{"migration", "migration", false}, {"fault", "fault", false}, {"start", "start", false}, {"stop", "stop", false},
	{"warn", "warning", false}, {"error", "error", false},
}

// legend explains what is drawn, in rows below the title.
func (p *picture) legend() (text string, rows int) {
	messages, marks := make(map[string]bool), make(map[string]bool)
	for _, m := range p.data.Messages {
		messages[m.Kind] = true
	}
	for _, m := range p.data.Marks {
		marks[m.Kind] = true
	}
	var b strings.Builder
	x, row := 8.0, 0
	entry := func(name, symbol string) {
		wide := 30 + 6.2*float64(len(name))
		if x+wide > float64(p.wide) && x > 8 {
			x, row = 8, row+1
		}
		y := 38 + float64(row)*svgLegend
		fmt.Fprintf(&b, `<g transform="translate(%.1f %.1f)">%s<text class="dim" x="24" y="4">%s</text></g>`+"\n", x, y, symbol, html.EscapeString(name))
		x += wide
	}
	for _, l := range legendNames {
		switch {
		case l.message && messages[l.kind]:
			entry(l.name, fmt.Sprintf(`<path d="M2 0H20" stroke="%s" stroke-width="1.6" marker-end="url(#a)"/>`, kindColours[l.kind]))
		case !l.message && marks[l.kind] || l.kind == Snapshot && marks[l.kind]:
			entry(l.name, shape(l.kind, 11, 0))
		}
	}
	if len(messages) > 0 {
		entry("its answer", `<path d="M2 0H20" class="lane" stroke-width="1.6" stroke-dasharray="4 3"/>`)
		entry("did not arrive", `<path d="m7-4 8 8m0-8-8 8" stroke="#d64545" stroke-width="1.8"/>`)
	}
	if len(p.data.Reigns) > 0 {
		entry("leads", `<rect x="8" y="-6" width="6" height="12" fill="#55677f" opacity=".85"/>`)
	}
	for _, s := range p.data.Spans {
		if s.Node >= 0 && !messages["span "+s.Kind] {
			messages["span "+s.Kind] = true
			entry(spanName(s.Kind), fmt.Sprintf(`<rect x="4" y="-6" width="14" height="12" fill="url(#%s)" opacity=".7"/>`, hatching(s.Kind)))
		}
	}
	return b.String(), row + 1
}

// hatching is the pattern of a span's kind.
func hatching(kind string) string {
	if kind == "down" {
		return "down"
	}
	return "stall"
}

func spanName(kind string) string {
	if kind == "down" {
		return "down"
	}
	return "stalled"
}

// rank orders marks: stars and diamonds lie above what is small and frequent.
func rank(kind string) int {
	switch kind {
	case "leader":
		return 3
	case "election", "fault":
		return 2
	case "stored", "applied":
		return 0
	}
	return 1
}

// besides is how far from its lane a mark stands, so that a frequent one hides no
// other.
var besides = map[string]float64{"stored": -14, "warn": 16, "error": 16, "fault": -22}

func (p *picture) mark(m Mark) {
	fmt.Fprintf(p.out, `<g>%s<title>%s</title></g>`+"\n", shape(m.Kind, p.x(m.Node)+besides[m.Kind], p.y(m.At)), html.EscapeString(m.Text))
}

// shape draws a mark; it needs no font.
func shape(kind string, x, y float64) string {
	colour := cmp.Or(kindColours[kind], "#55677f")
	path := func(d string) string {
		return fmt.Sprintf(`<path class="edge" d="M%.1f %.1f%s" fill="%s"/>`, x, y, d, colour)
	}
	switch kind {
	case "stored":
		return fmt.Sprintf(`<rect x="%.1f" y="%.1f" width="6" height="3" fill="%s"/>`, x-3, y-1.5, colour)
	case "applied":
		return fmt.Sprintf(`<circle class="edge" cx="%.1f" cy="%.1f" r="3.4" fill="%s"/>`, x, y, colour)
	case "leader":
		var b strings.Builder
		for i := range 10 {
			r := 9.5
			if i%2 == 1 {
				r = 4
			}
			a := -math.Pi/2 + float64(i)*math.Pi/5
			fmt.Fprintf(&b, "%.1f,%.1f ", x+r*math.Cos(a), y+r*math.Sin(a))
		}
		return fmt.Sprintf(`<polygon class="edge" points="%s" fill="%s"/>`, b.String(), colour)
	case "election":
		return path("m0-6 6 6-6 6-6-6z")
	case "start":
		return path("m-6-5h12l-6 11z")
	case "stop", Snapshot:
		return path("m-5-5h10v10h-10z")
	case "fault":
		return path("m2-8-7 9h4l-1 7 7-10h-4z")
	}
	return fmt.Sprintf(`<circle class="edge" cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, x, y, colour)
}

// labels are texts, above all else. One that would lie on another is left out; a
// reign has its title as well.
func (p *picture) labels() {
	d := p.data
	for _, s := range d.Spans {
		if s.Node < 0 {
			fmt.Fprintf(p.out, `<text class="halo down" x="%d" y="%.1f" font-weight="600" text-anchor="end">%s</text>`+"\n", p.wide-6, p.y(s.From)+12, html.EscapeString(s.Text))
		}
	}
	for _, s := range d.Spans {
		if s.Node < 0 || (s.To-s.From)*p.scale < 16 {
			continue
		}
		name := spanName(s.Kind)
		fmt.Fprintf(p.out, `<text class="halo %s" x="%.1f" y="%.1f" font-weight="600">%s</text>`+"\n", name, p.x(s.Node)+16, p.y((s.From+s.To)/2)+4, name)
	}
	for _, r := range d.Reigns {
		if y := p.y(r.From) + 4; p.free(r.Node, y) {
			text := fmt.Sprintf("leads t%d", r.Term)
			if len(p.groups) > 1 {
				text = fmt.Sprintf("leads g%d t%d", r.Group, r.Term)
			}
			fmt.Fprintf(p.out, `<text class="halo %s" x="%.1f" y="%.1f" font-weight="600" text-anchor="end">%s</text>`+"\n", laneClass(r.Node), p.x(r.Node)-28, y, text)
		}
	}
}

// free tells whether a line of text has room beside a lane, and takes it.
func (p *picture) free(node int, y float64) bool {
	for _, other := range p.taken[node] {
		if math.Abs(y-other) < 14 {
			return false
		}
	}
	p.taken[node] = append(p.taken[node], y)
	return true
}
