package main

import (
	"context"
	"io"
)

func migration(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error { return nil }
