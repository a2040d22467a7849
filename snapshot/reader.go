package snapshot

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/cespare/xxhash/v2"
	compress "github.com/klauspost/compress/s2"
)

// Loader takes what a snapshot holds. Begin is called first. The other methods
// are called concurrently for slots of different partitions (slot / 256), and in
// order within one. The slices are valid during the call only. Their error ends
// the reading.
type Loader interface {
	Begin(header Header, meta []byte) error
	Records
}

// Read decodes a snapshot into l on all cores. Whatever is wrong with the bytes
// is ErrDamaged; then, and after any other error, what l has got so far must be
// thrown away: only Read's return says that it was all and intact.
func Read(r io.Reader, l Loader) (Header, Footer, error) {
	return read(r, l, runtime.GOMAXPROCS(0))
}

// ReadInOrder is Read on one core: l is called for slots in ascending order.
func ReadInOrder(r io.Reader, l Loader) (Header, Footer, error) { return read(r, l, 1) }

func read(r io.Reader, l Loader, workers int) (Header, Footer, error) {
	d := &decoder{in: bufio.NewReaderSize(r, 1<<20), hash: xxhash.New(), loader: l, workers: workers}
	header, err := d.begin()
	if err != nil {
		return header, Footer{}, err
	}
	footer, err := d.blocks()
	return header, footer, err
}

// ReadHeader decodes the beginning of a snapshot.
func ReadHeader(r io.Reader) (header Header, meta []byte, err error) {
	d := &decoder{in: bufio.NewReader(r), hash: xxhash.New(), loader: &captureMeta{meta: &meta}}
	header, err = d.begin()
	return header, meta, err
}

type captureMeta struct {
	Loader
	meta *[]byte
}

func (c *captureMeta) Begin(_ Header, meta []byte) error {
	*c.meta = append([]byte(nil), meta...)
	return nil
}

type decoder struct {
	in     *bufio.Reader
	hash   *xxhash.Digest
	loader Loader
	counts Footer // of what was read

	workers int

	mu  sync.Mutex
	err error // of a worker
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// begin reads magic, header and meta.
func (d *decoder) begin() (Header, error) {
	var header Header
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(d.in, start); err != nil {
		return header, d.readError(err)
	}
	if string(start) != magic {
		return header, damaged("it does not begin like a snapshot (%q)", start)
	}
	d.count(start)
	b, payload, err := d.next(nil)
	if err != nil {
		return header, err
	}
	if b.kind != kindHeader {
		return header, damaged("the first block is of kind %d", b.kind)
	}
	if err := json.Unmarshal(payload, &header); err != nil {
		return header, damaged("header: %v", err)
	}
	if header.Format != format {
		return header, fmt.Errorf("snapshot has format %d, this program knows %d: upgrade raftkv", header.Format, format)
	}
	b, meta, err := d.next(nil)
	if err != nil {
		return header, err
	}
	if b.kind != kindMeta {
		return header, damaged("the second block is of kind %d", b.kind)
	}
	return header, d.loader.Begin(header, meta)
}

// work is a slots block on its way to a worker.
type work struct {
	block   block
	payload []byte
}

// blocks reads to the end. Blocks of a partition go to the same worker.
func (d *decoder) blocks() (Footer, error) {
	workers := make([]chan work, d.workers)
	var all sync.WaitGroup
	for i := range workers {
		ch := make(chan work, 4)
		workers[i] = ch
		all.Go(func() { d.worker(ch) })
	}
	footer, err := d.distribute(workers)
	for _, ch := range workers {
		close(ch)
	}
	all.Wait()
	if d.err != nil {
		return footer, d.err // the cause; err may only follow from it
	}
	if err != nil {
		return footer, err
	}
	if footer.Keys != d.counts.Keys || footer.Sessions != d.counts.Sessions {
		return footer, damaged("it holds %d keys and %d sessions, the footer says %d and %d", d.counts.Keys, d.counts.Sessions, footer.Keys, footer.Sessions)
	}
	return footer, nil
}

func (d *decoder) distribute(workers []chan work) (footer Footer, err error) {
	for d.failure() == nil {
		sum, before, blocks := d.hash.Sum64(), d.counts.Bytes, d.counts.Blocks
		b, payload, err := d.next(nil)
		if err != nil {
			return footer, err
		}
		switch b.kind {
		case kindSlots:
			workers[int(b.partition)%len(workers)] <- work{b, payload}
		case kindFooter:
			if err := json.Unmarshal(payload, &footer); err != nil {
				return footer, damaged("footer: %v", err)
			}
			if footer.Bytes != before || footer.Blocks != blocks || footer.Sum != fmt.Sprintf("%016x", sum) {
				return footer, damaged("the checksum of the whole is wrong")
			}
			if _, err := d.in.ReadByte(); err != io.EOF {
				return footer, damaged("something follows the footer")
			}
			return footer, nil
		default:
			return footer, damaged("a block of kind %d", b.kind)
		}
	}
	return footer, d.failure()
}

// next reads and verifies one block.
func (d *decoder) next(buf []byte) (block, []byte, error) {
	var header [blockHeader]byte
	if _, err := io.ReadFull(d.in, header[:]); err != nil {
		return block{}, nil, d.readError(err)
	}
	b := parseBlock(header[:])
	if b.stored > maxBlock || b.raw > maxBlock {
		return b, nil, damaged("a block of %d bytes at byte %d", b.stored, d.counts.Bytes)
	}
	payload, err := readN(d.in, buf, int(b.stored))
	if err != nil {
		return b, nil, d.readError(err)
	}
	if checksum(header[:], payload) != b.sum {
		return b, nil, damaged("wrong checksum of the block at byte %d", d.counts.Bytes)
	}
	d.count(header[:])
	d.count(payload)
	d.counts.Blocks++
	return b, payload, nil
}

// readN reads n bytes, without trusting n before they have come.
func readN(r io.Reader, buf []byte, n int) ([]byte, error) {
	const step = 4 << 20
	for len(buf) < n {
		from := len(buf)
		buf = append(buf, make([]byte, min(n-from, step))...)
		if _, err := io.ReadFull(r, buf[from:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (d *decoder) count(b []byte) {
	d.hash.Write(b)
	d.counts.Bytes += uint64(len(b))
}

func (d *decoder) readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damaged("it ends at byte %d without a footer", d.counts.Bytes)
	}
	return err
}

func (d *decoder) worker(in <-chan work) {
	var buf []byte
	var keys, sessions uint64
	for w := range in {
		if d.failure() != nil {
			continue // the channel must be emptied
		}
		payload := w.payload
		if w.block.compression == s2 {
			n, err := compress.DecodedLen(payload)
			if err == nil && n != int(w.block.raw) {
				err = fmt.Errorf("%d bytes instead of %d", n, w.block.raw)
			}
			if err == nil {
				buf, err = compress.Decode(buf[:cap(buf)], payload)
			}
			if err != nil {
				d.fail(damaged("a block does not unpack: %v", err))
				continue
			}
			payload = buf
		}
		if err := readRecords(payload, int(w.block.partition), d.loader, &keys, &sessions); err != nil {
			d.fail(err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.Keys += keys
	d.counts.Sessions += sessions
}

func (d *decoder) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *decoder) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
}
