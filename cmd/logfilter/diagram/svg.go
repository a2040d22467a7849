package diagram

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"slices"
	"time"
)

// The size of a picture, in pixels.
const (
	svgLane   = 210
	svgLeft   = 110
	svgRight  = 30
	svgHead   = 46 // of title and nodes' names, without the legend
	svgLeast  = 480
	svgMost   = 2400
	svgBottom = 40
	svgLegend = 17 // height of a row of the legend
)

// svgStyle has the colours that depend on the ground. It uses no variables: not all
// programs that show pictures know them.
const svgStyle = `<style>
.bg{fill:#fbfbfd}.rule{stroke:#e3e6ee}.dim{fill:#5f6880}.ink{fill:#1c2333}.lane{stroke:#c6ccd9}.halo{paint-order:stroke;stroke:#fbfbfd;stroke-width:4px;stroke-linejoin:round}.edge{stroke:#fbfbfd}
.n0{fill:#0b7a86}.n1{fill:#a243b8}.n2{fill:#2a8134}.n3{fill:#3763d6}.n4{fill:#b1550f}.n5{fill:#7d6300}.n6{fill:#c23a6a}.n7{fill:#55677f}.stalled{fill:#a3680f}.down{fill:#d64545}
@media (prefers-color-scheme:dark){.bg{fill:#10141d}.rule{stroke:#262d3d}.dim{fill:#8b95ab}.ink{fill:#e4e8f1}.lane{stroke:#3b455b}.halo{stroke:#10141d}.edge{stroke:#10141d}
.n0{fill:#3fc3d0}.n1{fill:#d68be6}.n2{fill:#6fcf7a}.n3{fill:#8fabff}.n4{fill:#f09a5b}.n5{fill:#d9b944}.n6{fill:#f286ab}.n7{fill:#a3b3c9}.stalled{fill:#e5b454}.down{fill:#ff7b7b}}
</style>
`

// svgDefs are an arrow's head, and the hatching of times in which a node was away.
const svgDefs = `<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 1 8 4 0 7z" fill="context-stroke"/></marker>
<pattern id="down" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V8" stroke="#d64545" stroke-width="2.5"/></pattern>
<pattern id="stall" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V8" stroke="#d9962a" stroke-width="2.5"/></pattern></defs>
`

// picture is an SVG on its way out.
type picture struct {
	out    *bufio.Writer
	data   *Data
	zone   *time.Location
	groups []uint64 // that somebody led
	scale  float64  // pixels a millisecond
	high   float64
	wide   int
	top    float64 // where time begins
	// taken are the heights at which texts stand beside a node's lane.
	taken [][]float64
}

// SVG writes the diagram as a picture, for documents: it is as high as its messages
// need.
func SVG(w io.Writer, d *Data, zone *time.Location) error {
	p := &picture{out: bufio.NewWriter(w), data: d, zone: zone, taken: make([][]float64, len(d.Nodes))}
	for _, r := range d.Reigns {
		if !slices.Contains(p.groups, r.Group) {
			p.groups = append(p.groups, r.Group)
		}
	}
	slices.Sort(p.groups)
	p.high = min(svgMost, max(svgLeast, float64(len(d.Messages)+len(d.Marks))*6))
	p.scale = p.high / max(d.Span, 0.001)
	p.wide = svgLeft + svgLane*len(d.Nodes) + svgRight
	legend, rows := p.legend()
	p.top = svgHead + float64(rows)*svgLegend + 18
	fmt.Fprintf(p.out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" font-family="system-ui,DejaVu Sans,sans-serif" font-size="11">`+"\n", p.wide, p.top+p.high+svgBottom+13*float64(len(d.Notes)))
	p.out.WriteString(svgStyle + svgDefs)
	p.out.WriteString(`<rect class="bg" width="100%" height="100%"/>` + "\n")
	fmt.Fprintf(p.out, `<text class="ink" x="8" y="20" font-size="14" font-weight="650">%s</text>`+"\n", html.EscapeString(d.Title))
	p.out.WriteString(legend)
	p.axis()
	p.lanes()
	for _, m := range d.Messages {
		p.message(m)
	}
	marks := slices.Clone(d.Marks)
	slices.SortStableFunc(marks, func(a, b Mark) int { return rank(a.Kind) - rank(b.Kind) })
	for _, m := range marks {
		p.mark(m)
	}
	p.labels()
	for i, note := range d.Notes {
		fmt.Fprintf(p.out, `<text class="dim" x="8" y="%.0f">%s</text>`+"\n", p.top+p.high+24+float64(i)*13, html.EscapeString(note))
	}
	p.out.WriteString("</svg>\n")
	return p.out.Flush()
}

func (p *picture) y(t float64) float64 { return p.top + t*p.scale }
func (p *picture) x(node int) float64  { return svgLeft + svgLane*(float64(node)+0.5) }

// svgSteps are lengths of time between two labels, in ms.
var svgSteps = []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 36e5}

// axis draws lines at round times.
func (p *picture) axis() {
	step := svgSteps[len(svgSteps)-1]
	for _, s := range svgSteps {
		if s*p.scale > 46 {
			step = s
			break
		}
	}
	layout := "15:04:05"
	switch {
	case step < 1:
		layout = "15:04:05.000000"
	case step < 1000:
		layout = "15:04:05.000"
	}
	every := time.Duration(step * 1e6)
	start := time.UnixMilli(p.data.Start)
	for at := start.Truncate(every); ; at = at.Add(every) {
		t := float64(at.Sub(start)) / 1e6
		if t > p.data.Span {
			break
		}
		if t < 0 {
			continue
		}
		fmt.Fprintf(p.out, `<path class="rule" d="M%d %.1fH%d"/><text class="dim" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			svgLeft-6, p.y(t), p.wide, svgLeft-12, p.y(t)+4, at.In(p.zone).Format(layout))
	}
}

// lanes draws what lasts: faults, nodes, who led, and when a node was away.
func (p *picture) lanes() {
	d := p.data
	for _, s := range d.Spans {
		if s.Node < 0 {
			fmt.Fprintf(p.out, `<rect x="%d" y="%.1f" width="%d" height="%.1f" fill="#d64545" opacity=".1"/><rect x="%d" y="%.1f" width="3" height="%.1f" fill="#d64545"/>`+"\n",
				svgLeft-6, p.y(s.From), p.wide-svgLeft+6, max(2, (s.To-s.From)*p.scale), svgLeft-6, p.y(s.From), max(2, (s.To-s.From)*p.scale))
		}
	}
	for i, node := range d.Nodes {
		fmt.Fprintf(p.out, `<path class="lane" d="M%.1f %.1fV%.1f" stroke-width="1.5"/><text x="%.1f" y="%.1f" text-anchor="middle" font-size="15" font-weight="650" class="%s">%s</text>`+"\n",
			p.x(i), p.top, p.y(d.Span), p.x(i), p.top-10, laneClass(i), html.EscapeString(node))
	}
	for _, r := range d.Reigns {
		w := p.bar()
		x := p.x(r.Node) + (float64(slices.Index(p.groups, r.Group))-float64(len(p.groups)-1)/2)*(w+1) - w/2
		fmt.Fprintf(p.out, `<rect class="%s" x="%.1f" y="%.1f" width="%.0f" height="%.1f" opacity=".85"><title>leads group %d in term %d</title></rect>`+"\n",
			laneClass(r.Node), x, p.y(r.From), w, max(2, (r.To-r.From)*p.scale), r.Group, r.Term)
	}
	for _, s := range d.Spans {
		if s.Node >= 0 {
			high := max(2, (s.To-s.From)*p.scale)
			fmt.Fprintf(p.out, `<rect class="bg" x="%.1f" y="%.1f" width="28" height="%.1f"/><rect x="%.1f" y="%.1f" width="18" height="%.1f" fill="url(#%s)" opacity=".7"><title>%s</title></rect>`+"\n",
				p.x(s.Node)-14, p.y(s.From), high, p.x(s.Node)-9, p.y(s.From), high, hatching(s.Kind), html.EscapeString(s.Text))
		}
	}
}

// bar is how wide a reign is drawn: each group has its own place.
func (p *picture) bar() float64 {
	if len(p.groups) > 4 {
		return 3
	}
	return 6
}

func (p *picture) message(m Message) {
	side := 5.0
	if m.To < m.From {
		side = -5
	}
	x1, x2, colour := p.x(m.From)+side, p.x(m.To)-side, kindColours[m.Kind]
	switch {
	case m.Sent != nil && m.Received != nil:
		fmt.Fprintf(p.out, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width="1.4" marker-end="url(#a)"><title>%s, index %d</title></path>`+"\n",
			x1, p.y(*m.Sent), x2, p.y(*m.Received), colour, html.EscapeString(m.Kind), m.Index)
	case m.Sent != nil && !m.Unseen:
		x, y := x1+(x2-x1)*0.3, p.y(*m.Sent)+6
		fmt.Fprintf(p.out, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width="1.4"/><path d="m%.1f %.1f8 8m0-8-8 8" stroke="#d64545" stroke-width="1.8"/>`+"\n",
			x1, p.y(*m.Sent), x, y, colour, x-4, y-4)
	}
	if m.Answered != nil && m.Returned != nil {
		if m.Refused {
			colour = "#d64545"
		}
		fmt.Fprintf(p.out, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-dasharray="4 3" opacity=".75" marker-end="url(#a)"/>`+"\n",
			x2, p.y(*m.Answered), x1, p.y(*m.Returned), colour)
	}
}
