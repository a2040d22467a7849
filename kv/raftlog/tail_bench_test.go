package raftlog

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
)

// BenchmarkAppend appends entries of 4 KiB to several logs at once, as nodes and groups
// on one disk do. An operation is one append to each.
func BenchmarkAppend(b *testing.B) {
	for _, logs := range []int{1, 3, 9} {
		b.Run(fmt.Sprint("logs=", logs), func(b *testing.B) {
			dir := b.TempDir()
			var all sync.WaitGroup
			start := make(chan struct{})
			for i := range logs {
				s, err := openWAL(filepath.Join(dir, fmt.Sprint(i)), segmentSize, nil, nil)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				all.Go(func() {
					<-start
					for index := range uint64(b.N) {
						if err := s.StoreLogs([]*raft.Log{{Index: index + 1, Term: 1, Data: make([]byte, 4096)}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			b.ResetTimer()
			close(start)
			all.Wait()
		})
	}
}
