package main

import (
	"raftkv/kv/decode"
)

func dumpSnapshot(path string, out printer) error {
	return decode.Snapshot(path, func(r decode.Record) error { return out.print(r.Text, r.JSON) })
}
