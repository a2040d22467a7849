package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// logOf makes a node's log of lines, each "seconds group message".
func logOf(t *testing.T, lines ...string) string {
	t.Helper()
	dir, text := t.TempDir(), ""
	for _, l := range lines {
		var at, group int
		if _, err := fmt.Sscanf(l, "%d %d", &at, &group); err != nil {
			t.Fatal(err)
		}
		msg := strings.SplitN(l, " ", 3)[2]
		text += fmt.Sprintf("{\"t\":%q,\"level\":\"info\",\"node\":\"n1\",\"topic\":\"snapshot\",\"group\":%d,\"msg\":%q}\n", second(at).Format(time.RFC3339Nano), group, msg)
	}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log", "node.jsonl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func second(n int) time.Time { return time.Unix(int64(n), 0).UTC() }

func TestPhasesFromTheLog(t *testing.T) {
	span := func(from, to int) window { return window{second(from), second(to)} }
	for _, x := range []struct {
		what  string
		lines []string
		want  phases
	}{
		{"a compaction ends when the files are gone", []string{
			"10 1 " + lineStarts, "20 1 " + lineCompacts, "21 1 " + lineComplete, "23 1 " + lineRemoved, "24 1 " + lineRemoved,
		}, phases{[]window{span(10, 20)}, []window{span(20, 23)}, []float64{10}, []float64{3}}},
		{"or at once, if no file goes, or all are gone by then", []string{
			"10 1 " + lineStarts, "20 1 " + lineCompacts, "20 1 " + lineRemoved, "21 1 " + lineComplete,
			"30 1 " + lineStarts, "34 1 " + lineCompacts, "35 1 " + lineComplete,
		}, phases{[]window{span(10, 20), span(30, 34)}, []window{span(20, 21), span(34, 35)}, []float64{10, 4}, []float64{1, 1}}},
		{"nothing to compact", []string{
			"10 1 " + lineStarts, "20 1 no logs to truncate", "21 1 " + lineComplete,
		}, phases{writing: []window{span(10, 21)}, wrote: []float64{11}}},
		{"two groups, and the controller's", []string{
			"10 1 " + lineStarts, "11 2 " + lineStarts, "12 0 " + lineStarts, "13 0 " + lineComplete, "14 2 " + lineComplete, "15 1 " + lineComplete,
		}, phases{writing: []window{span(11, 14), span(10, 15)}, wrote: []float64{3, 5}}},
		{"what has not ended", []string{
			"10 1 " + lineStarts, "11 2 " + lineStarts, "12 2 " + lineCompacts,
		}, phases{[]window{span(11, 12), span(10, 50)}, []window{span(12, 50)}, []float64{1}, nil}},
		{"what was before and comes after", []string{
			"1 1 " + lineStarts, "3 1 " + lineCompacts, "6 1 " + lineComplete, "51 1 " + lineStarts, "52 1 " + lineComplete,
		}, phases{}},
	} {
		var got phases
		if err := got.read(logOf(t, x.lines...), second(5), second(50)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: %+v, want %+v", x.what, got, x.want)
		}
	}
}
