package source

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// sampleBytes is how much of a file is looked at before it is read.
const sampleBytes = 64 << 10

// maxWindow bounds what a zstd stream may ask for, in bytes.
const maxWindow = 32 << 20

// File is an open file. It is used by one goroutine, but for ReadAt.
type File struct {
	Path string

	f    *os.File
	r    io.Reader // decompressed
	size int64     // -1 if it cannot be sought in
	done func()
}

// Open opens a file or, for "-", stdin, and sees how it is compressed.
func Open(path string, stdin io.Reader) (*File, error) {
	if path == Stdin {
		f := &File{Path: "standard input", size: -1, done: func() {}}
		return f, f.decompress(bufio.NewReaderSize(stdin, sampleBytes))
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, f: in, size: -1, done: func() { in.Close() }}
	info, err := in.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", path)
	}
	if err != nil {
		f.done()
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return f, f.decompress(bufio.NewReaderSize(in, sampleBytes))
	}
	var magic [4]byte
	n, err := in.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		f.done()
		return nil, err
	}
	if kind(magic[:n]) == "" {
		f.size, f.r = info.Size(), in
		return f, nil
	}
	if err := f.decompress(bufio.NewReaderSize(in, sampleBytes)); err != nil {
		f.done()
		return nil, err
	}
	return f, nil
}

// kind tells a compressed file by its first bytes: names may lie.
func kind(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	}
	return ""
}

func (f *File) decompress(in *bufio.Reader) error {
	// Of a pipe that has less than this to say, or nothing yet, one byte is
	// enough to know that it is not compressed.
	magic, _ := in.Peek(1)
	if len(magic) == 1 && (magic[0] == 0x1f || magic[0] == 0x28) {
		magic, _ = in.Peek(4)
	}
	switch kind(magic) {
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		f.r = z
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		closeFile := f.done
		f.r, f.done = z, func() { z.Close(); closeFile() }
	default:
		f.r = in
	}
	return nil
}

// Seekable reports whether Sample, SeekTo and Probe can be used.
func (f *File) Seekable() bool { return f.size >= 0 }

// Sample returns the beginning of a file that can be sought in.
func (f *File) Sample() ([]byte, error) {
	b := make([]byte, min(sampleBytes, f.size))
	n, err := f.f.ReadAt(b, 0)
	if err == io.EOF { // truncated meanwhile
		err = nil
	}
	return b[:n], err
}

// SeekTo makes Read begin at from and end at to.
func (f *File) SeekTo(from, to int64) {
	f.r = io.NewSectionReader(f.f, from, to-from)
}

// Read reads decompressed bytes.
func (f *File) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%s: %w", f.Path, err)
	}
	return n, err
}

// Close closes the file. Nothing was written, so no error can matter.
func (f *File) Close() { f.done() }
