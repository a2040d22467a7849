package skew

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
)

// cluster writes the lines of messages between three nodes, with clocks that are
// wrong by so much.
type cluster struct {
	t      *rapid.T
	ahead  map[string]time.Duration
	now    time.Time
	number int
	watch  *Watcher
}

func (c *cluster) line(node string, after time.Duration, way, peer, rest string) {
	c.now = c.now.Add(after)
	text := fmt.Sprintf(`{"t":%q,"level":"trace","node":%q,"topic":"replication","group":1,"term":3,"msg":"append %s","way":%q,"message":%d,"peer":%q%s}`,
		c.now.Add(c.ahead[node]).UTC().Format("2006-01-02T15:04:05.000000000Z"), node, way, way, c.number, peer, rest)
	e := event.Event{Raw: []byte(text)}
	if !format.Detect([]byte(text+"\n"), format.Options{}).Parse(e.Raw, &e) {
		c.t.Fatalf("not a line: %s", text)
	}
	c.watch.Event(&e)
}

// exchange sends a message there and back.
func (c *cluster) exchange(from, to string, delay time.Duration) {
	c.number++
	c.line(from, time.Millisecond, "sent", to, "")
	c.line(to, delay, "received", from, "")
	c.line(to, 50*time.Microsecond, "answered", from, "")
	c.line(from, delay, "returned", to, "")
}

// A clock that is wrong by more than messages take is found, its node is named, and
// the correction is right but for the time that messages take; with clocks that are
// right nothing is said, whatever is lost or late.
func TestWrongClocksAreFound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		nodes := []string{"n1", "n2", "n3"}
		c := &cluster{t: rt, ahead: make(map[string]time.Duration), now: time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC), watch: New()}
		wrong := rapid.SampledFrom([]string{"", "n1", "n2", "n3"}).Draw(rt, "wrong")
		by := time.Duration(rapid.IntRange(5, 5000).Draw(rt, "ms")) * time.Millisecond
		if rapid.Bool().Draw(rt, "behind") {
			by = -by
		}
		if wrong != "" {
			c.ahead[wrong] = by
		}
		for _, from := range nodes {
			for _, to := range nodes {
				if from == to {
					continue
				}
				for range rapid.IntRange(1, 4).Draw(rt, "messages") {
					c.exchange(from, to, time.Duration(rapid.IntRange(50, 900).Draw(rt, "us"))*time.Microsecond)
				}
				// One that nobody waits for any more when it arrives.
				c.number++
				c.line(from, time.Millisecond, "sent", to, "")
				c.line(from, 2*time.Second, "returned", to, `,"error":"context deadline exceeded"`)
				c.line(to, time.Second, "received", from, "")
				c.line(to, time.Millisecond, "answered", from, "")
			}
		}
		found := c.watch.Warnings()
		if wrong == "" {
			if len(found) > 0 {
				rt.Fatalf("with clocks that are right: %v", found)
			}
			return
		}
		if len(found) != 1 || found[0].Node != wrong || len(found[0].Of) != 2 {
			rt.Fatalf("%s is wrong by %v; found %v", wrong, by, found)
		}
		if miss := found[0].Ahead - by; miss < -time.Millisecond-by.Abs()/100 || miss > time.Millisecond+by.Abs()/100 {
			rt.Fatalf("%s is wrong by %v; found %v", wrong, by, found[0])
		}
	})
}
