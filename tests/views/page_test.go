package views

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser returns the path of a browser. There must be one: a page that was never
// opened is not tested.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("the diagram's page cannot be tested without a browser: sudo apt-get install chromium")
	return ""
}

// open opens a page in a browser without a window, and fails the test if the page
// complains.
func open(t *testing.T, path string) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser(t)), chromedp.NoSandbox, chromedp.WindowSize(1400, 900), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	err := chromedp.Listen(ctx, func(ev any) {
		if e, thrown := ev.(*runtime.EventExceptionThrown); thrown {
			t.Errorf("the page fails: %v", e.ExceptionDetails)
		}
	})
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate("file://"+path), chromedp.Poll[chromedp.Void]("!!window.logfilter"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// checkPage opens the diagram of all that the cluster did.
func checkPage(t *testing.T, s *stage) {
	path := filepath.Join(t.TempDir(), "diagram.html")
	look(t, "--diagram", path, "--group", "1", s.dir)
	ctx := open(t, path)
	type drawn struct {
		Nodes     []string
		Met       int // messages that were seen to arrive
		Backwards int // of those, before they were sent
		Elections int
		Leaders   int
		Faults    int
		Down      int
		Stalls    int
		Painted   int // pixels that are not the background
		Lanes     []float64
		Bright    int // lines in view
		Lines     int
	}
	const ask = `(() => {
		const {data, lanes} = window.logfilter, met = data.messages.filter(m => m.s != null && m.r != null);
		const c = document.querySelector('canvas'), p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
		let painted = 0;
		for (let i = 4 * c.width * 60; i < p.length; i += 4) if (p[i] !== p[4] || p[i + 1] !== p[5] || p[i + 2] !== p[6]) painted++;
		const marks = k => data.marks.filter(m => m.k === k).length, spans = k => data.spans.filter(s => s.k === k).length;
		return {Nodes: data.nodes, Met: met.length, Backwards: met.filter(m => m.r < m.s).length, Elections: marks('election'), Leaders: marks('leader'),
			Faults: spans('fault'), Down: spans('down'), Stalls: spans('stall'), Painted: painted, Lanes: lanes(),
			Bright: document.querySelectorAll('#lines .in').length, Lines: data.lines.length};
	})()`
	got, err := chromedp.Run(ctx, chromedp.Evaluate[drawn](ask))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got.Nodes, " ") != "n1 n2 n3" || len(got.Lanes) != 3 || got.Lanes[0] >= got.Lanes[1] || got.Lanes[1] >= got.Lanes[2] {
		t.Errorf("lanes of %v at %v", got.Nodes, got.Lanes)
	}
	if got.Met < 10 || got.Backwards > 0 || got.Elections < 4 || got.Leaders < 5 || got.Faults < 1 || got.Down < 1 || got.Stalls < 1 {
		t.Errorf("drawn: %+v", got)
	}
	if got.Painted < 5000 || got.Lines == 0 || got.Bright != got.Lines {
		t.Errorf("at first all is in view: %+v", got)
	}
	zoomIn(ctx, t)
	pickMessage(ctx, t)
	findLine(ctx, t)

	svg := filepath.Join(t.TempDir(), "diagram.svg")
	look(t, "--diagram", svg, "--group", "1", s.dir)
	if err := chromedp.Do(ctx, chromedp.Navigate("file://"+svg)); err != nil {
		t.Fatal(err)
	}
	width, err := chromedp.Run(ctx, chromedp.Evaluate[float64](`document.documentElement.getBoundingClientRect().width`))
	if err != nil || width < 500 {
		t.Errorf("the picture is %.0f wide: %v", width, err)
	}
}

// zoomIn turns the wheel over the diagram: less of the time is in view.
func zoomIn(ctx context.Context, t *testing.T) {
	t.Helper()
	const high = `(v => v.until - v.from)(window.logfilter.view())`
	before, err := chromedp.Run(ctx, chromedp.Evaluate[float64](high))
	if err != nil {
		t.Fatal(err)
	}
	const turn = `document.querySelector('canvas').dispatchEvent(new WheelEvent('wheel', {deltaY: -1500, clientX: 300, clientY: 400, cancelable: true}))`
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](turn)); err != nil {
		t.Fatal(err)
	}
	after, err := chromedp.Run(ctx, chromedp.Evaluate[float64](high))
	if err != nil || after > before/2 {
		t.Errorf("%.1f ms are in view, and %.1f after the wheel was turned: %v", before, after, err)
	}
}

// pickMessage clicks on a message, which is told of beside.
func pickMessage(ctx context.Context, t *testing.T) {
	t.Helper()
	const find = `(() => {
		document.getElementById('fit').click();
		const m = window.logfilter.data.messages.find(m => m.k === 'vote' && m.s != null && m.r != null && m.r - m.s < 20 && Math.abs(m.f - m.t) === 1);
		if (!m) return [];
		const {y, view, zoom} = window.logfilter;
		for (let i = 0; i < 40 && view().until - view().from > 50; i++) zoom(1.5, y(m.s));
		const lanes = window.logfilter.lanes(), c = document.querySelector('canvas').getBoundingClientRect();
		return [c.left + (lanes[m.f] + lanes[m.t]) / 2, c.top + (y(m.s) + y(m.r)) / 2];
	})()`
	at, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](find))
	if err != nil || len(at) != 2 {
		t.Fatalf("no vote between neighbours is drawn: %v", err)
	}
	if err := chromedp.Do(ctx, chromedp.MouseClickXY(at[0], at[1])); err != nil {
		t.Fatal(err)
	}
	told, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById('detail').textContent`))
	if err != nil || !strings.Contains(told, "→") || !strings.Contains(told, "received") {
		t.Errorf("of the message that was clicked at %v the page tells %q: %v", at, told, err)
	}
}

// findLine types words and sees the lines with them alone.
func findLine(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.SendKeys("#find", "election won")); err != nil {
		t.Fatal(err)
	}
	left, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll('#lines div')].filter(r => r.style.display !== 'none').map(r => r.textContent)`))
	if err != nil || len(left) == 0 {
		t.Fatalf("no line is found: %v", err)
	}
	for _, line := range left {
		if !strings.Contains(line, "election won") {
			t.Errorf("found %q", line)
		}
	}
}
