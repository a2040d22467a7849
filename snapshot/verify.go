package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
)

// verifier checks a snapshot while its bytes pass by: what comes over the
// network is refused before it replaces anything. Not safe for concurrent use.
type verifier struct {
	hash   *xxhash.Digest
	bytes  uint64
	blocks uint64

	head   []byte // of the block that comes in, or the magic
	inside bool   // the magic was seen
	block  block
	left   int // bytes of the payload still to come
	sum    uint32
	footer []byte // payload of the footer
	done   bool
	err    error
}

func newVerifier() *verifier { return &verifier{hash: xxhash.New()} }

// Write takes the next bytes. It fails at the first block that is damaged.
func (v *verifier) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && v.err == nil {
		p = v.take(p)
	}
	return n, v.err
}

func (v *verifier) take(p []byte) []byte {
	switch {
	case v.done:
		v.err = damaged("something follows the footer")
	case v.left > 0:
		k := min(v.left, len(p))
		v.payload(p[:k])
		return p[k:]
	default:
		want := blockHeader
		if !v.inside {
			want = len(magic)
		}
		k := min(want-len(v.head), len(p))
		v.head = append(v.head, p[:k]...)
		if len(v.head) == want {
			v.begin()
		}
		return p[k:]
	}
	return nil
}

func (v *verifier) begin() {
	if !v.inside {
		if string(v.head) != magic {
			v.err = damaged("it does not begin like a snapshot")
		}
		v.inside = true
		v.count(v.head)
		v.head = v.head[:0]
		return
	}
	v.block = parseBlock(v.head)
	if v.block.stored > maxBlock || v.block.stored == 0 {
		v.err = damaged("a block of %d bytes", v.block.stored)
		return
	}
	v.left = int(v.block.stored)
	v.sum = crc32.Checksum(v.head[:12], castagnoli)
	if v.block.kind != kindFooter {
		v.count(v.head)
	}
	v.head = v.head[:0]
}

func (v *verifier) payload(p []byte) {
	v.sum = crc32.Update(v.sum, castagnoli, p)
	v.left -= len(p)
	if v.block.kind == kindFooter {
		v.footer = append(v.footer, p...)
	} else {
		v.count(p)
	}
	if v.left > 0 {
		return
	}
	if v.sum != v.block.sum {
		v.err = damaged("wrong checksum of the block before byte %d", v.bytes)
		return
	}
	if v.block.kind == kindFooter {
		v.done = true
		return
	}
	v.blocks++
}

func (v *verifier) count(b []byte) {
	v.hash.Write(b)
	v.bytes += uint64(len(b))
}

// finish tells whether all that came was one whole snapshot.
func (v *verifier) finish() error {
	if v.err != nil {
		return v.err
	}
	if !v.done {
		return damaged("it ends at byte %d without a footer", v.bytes)
	}
	var f Footer
	if err := json.Unmarshal(v.footer, &f); err != nil {
		return damaged("footer: %v", err)
	}
	if f.Bytes != v.bytes || f.Blocks != v.blocks || f.Sum != fmt.Sprintf("%016x", v.hash.Sum64()) {
		return damaged("the checksum of the whole is wrong")
	}
	return nil
}

var errClosed = errors.New("the snapshot is closed already")
