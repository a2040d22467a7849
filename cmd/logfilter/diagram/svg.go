package diagram

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"time"
)

// The size of a picture, in pixels.
const (
	svgLane   = 210
	svgLeft   = 110
	svgTop    = 56
	svgLeast  = 480
	svgMost   = 2400
	svgBottom = 40
)

var laneColours = []string{"#0e8f9c", "#a243b8", "#2f8f3a", "#3763d6", "#c2621b", "#8a6d00", "#c23a6a", "#55677f"}

var kindColours = map[string]string{
	Append: "#2f6fed", Empty: "#93a9d6", Beat: "#a9b1c0", Vote: "#8b3fd9", PreVote: "#bf93ea", TimeoutNo: "#d94fb0", Snapshot: "#e07b1a",
	"stored": "#7f93ad", "applied": "#22a06b", "election": "#8b3fd9", "leader": "#d4a106", "migration": "#d6408f", "fault": "#d64545",
	"start": "#22a06b", "stop": "#d64545", "warn": "#d9962a", "error": "#d64545",
}

// picture is an SVG on its way out.
type picture struct {
	out   *bufio.Writer
	data  *Data
	scale float64 // pixels a millisecond
	high  float64
}

// SVG writes the diagram as a picture, for documents: it is as high as its messages
// need.
func SVG(w io.Writer, d *Data, zone *time.Location) error {
	p := &picture{out: bufio.NewWriter(w), data: d}
	p.high = min(svgMost, max(svgLeast, float64(len(d.Messages)+len(d.Marks))*6))
	p.scale = p.high / max(d.Span, 0.001)
	wide := svgLeft + svgLane*len(d.Nodes)
	fmt.Fprintf(p.out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" font-family="system-ui,DejaVu Sans,sans-serif" font-size="11">`+"\n", wide, p.high+svgTop+svgBottom)
	p.out.WriteString(`<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 1 8 4 0 7z" fill="context-stroke"/></marker></defs>` + "\n")
	fmt.Fprintf(p.out, `<rect width="100%%" height="100%%" fill="#fbfbfd"/>`+"\n")
	p.axis(zone, wide)
	p.lanes(wide)
	for _, m := range d.Messages {
		p.message(m)
	}
	for _, m := range d.Marks {
		p.mark(m)
	}
	for i, note := range d.Notes {
		fmt.Fprintf(p.out, `<text x="8" y="%.0f" fill="#6b7489">%s</text>`+"\n", p.high+svgTop+14+float64(i)*13, html.EscapeString(note))
	}
	p.out.WriteString("</svg>\n")
	return p.out.Flush()
}

func (p *picture) y(t float64) float64 { return svgTop + t*p.scale }
func (p *picture) x(node int) float64  { return svgLeft + svgLane*(float64(node)+0.5) }

// svgSteps are lengths of time between two labels, in ms.
var svgSteps = []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 36e5}

func (p *picture) axis(zone *time.Location, wide int) {
	step := svgSteps[len(svgSteps)-1]
	for _, s := range svgSteps {
		if s*p.scale > 46 {
			step = s
			break
		}
	}
	layout := "15:04:05.000"
	if step < 1 {
		layout = "15:04:05.000000"
	}
	for t := 0.0; t <= p.data.Span; t += step {
		at := time.UnixMilli(p.data.Start).Add(time.Duration(t * 1e6)).In(zone)
		fmt.Fprintf(p.out, `<path d="M%d %.1fH%d" stroke="#e3e6ee"/><text x="%d" y="%.1f" text-anchor="end" fill="#6b7489">%s</text>`+"\n",
			svgLeft-6, p.y(t), wide, svgLeft-12, p.y(t)+4, at.Format(layout))
	}
}

func (p *picture) lanes(wide int) {
	d := p.data
	for _, s := range d.Spans {
		if s.Node < 0 {
			fmt.Fprintf(p.out, `<rect x="%d" y="%.1f" width="%d" height="%.1f" fill="#d64545" opacity=".1"/><text x="%d" y="%.1f" fill="#d64545" font-weight="600">%s</text>`+"\n",
				svgLeft-6, p.y(s.From), wide-svgLeft+6, max(2, (s.To-s.From)*p.scale), svgLeft+2, p.y(s.From)+12, html.EscapeString(s.Text))
		}
	}
	for i, node := range d.Nodes {
		fmt.Fprintf(p.out, `<path d="M%.1f %dV%.1f" stroke="#c6ccd9" stroke-width="1.5"/><text x="%.1f" y="30" text-anchor="middle" font-size="15" font-weight="650" fill="%s">%s</text>`+"\n",
			p.x(i), svgTop, p.y(d.Span), p.x(i), laneColours[i%len(laneColours)], html.EscapeString(node))
	}
	for _, r := range d.Reigns {
		fmt.Fprintf(p.out, `<rect x="%.1f" y="%.1f" width="6" height="%.1f" fill="%s" opacity=".85"><title>leads group %d in term %d</title></rect>`+"\n",
			p.x(r.Node)-3, p.y(r.From), max(2, (r.To-r.From)*p.scale), laneColours[r.Node%len(laneColours)], r.Group, r.Term)
		if (r.To-r.From)*p.scale > 16 {
			fmt.Fprintf(p.out, `<text x="%.1f" y="%.1f" fill="%s" font-weight="600" text-anchor="end">g%d t%d</text>`+"\n", p.x(r.Node)-8, p.y(r.From)+12, laneColours[r.Node%len(laneColours)], r.Group, r.Term)
		}
	}
	for _, s := range d.Spans {
		if s.Node >= 0 {
			colour := "#d9962a"
			if s.Kind == "down" {
				colour = "#d64545"
			}
			fmt.Fprintf(p.out, `<rect x="%.1f" y="%.1f" width="16" height="%.1f" fill="#fbfbfd" stroke="%s" stroke-dasharray="3 3"/><text x="%.1f" y="%.1f" fill="%s" font-weight="600">%s</text>`+"\n",
				p.x(s.Node)-8, p.y(s.From), max(2, (s.To-s.From)*p.scale), colour, p.x(s.Node)+12, p.y((s.From+s.To)/2)+4, colour, s.Kind)
		}
	}
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
			x1, p.y(*m.Sent), x2, p.y(*m.Received), colour, m.Kind, m.Index)
	case m.Sent != nil && !m.Unseen:
		x, y := x1+(x2-x1)*0.3, p.y(*m.Sent)+6
		fmt.Fprintf(p.out, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width="1.4"/><path d="m%.1f %.1f8 8m0-8-8 8" stroke="#d64545" stroke-width="1.8"/>`+"\n",
			x1, p.y(*m.Sent), x, y, colour, x-4, y-4)
	}
	if m.Answered != nil && m.Returned != nil {
		fmt.Fprintf(p.out, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-dasharray="4 3" opacity=".75" marker-end="url(#a)"/>`+"\n",
			x2, p.y(*m.Answered), x1, p.y(*m.Returned), colour)
	}
}

func (p *picture) mark(m Mark) {
	x, y, colour := p.x(m.Node), p.y(m.At), kindColours[m.Kind]
	title := "<title>" + html.EscapeString(m.Text) + "</title>"
	switch m.Kind {
	case "stored":
		fmt.Fprintf(p.out, `<rect x="%.1f" y="%.1f" width="6" height="3" fill="%s">%s</rect>`+"\n", x-10, y-1.5, colour, title)
	case "applied":
		fmt.Fprintf(p.out, `<circle cx="%.1f" cy="%.1f" r="3.2" fill="%s">%s</circle>`+"\n", x, y, colour, title)
	case "leader":
		fmt.Fprintf(p.out, `<text x="%.1f" y="%.1f" text-anchor="middle" font-size="17" fill="%s">★%s</text>`+"\n", x, y+6, colour, title)
	case "election":
		fmt.Fprintf(p.out, `<path d="M%.1f %.1fl6 6-6 6-6-6z" fill="%s">%s</path>`+"\n", x, y-6, colour, title)
	default:
		fmt.Fprintf(p.out, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="#fbfbfd">%s</circle>`+"\n", x+12, y, colour, title)
	}
}
