package main

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/status"

	"raftkv/kv/loadgen"
)

// clientsPerConnection is how many clients share a gRPC connection, at which
// etcd is fastest here; see README.md.
const clientsPerConnection = 50

// etcdTarget sends GET as a linearizable Get and SET as a Put, to the leader.
type etcdTarget struct {
	connections []*clientv3.Client
}

func (e *etcd) target(ctx context.Context, clients int) (target, error) {
	leader, err := e.leader(ctx)
	if err != nil {
		return nil, err
	}
	t := &etcdTarget{}
	for range (clients + clientsPerConnection - 1) / clientsPerConnection {
		c, err := etcdClient(e.client[leader])
		if err != nil {
			t.Close()
			return nil, err
		}
		t.connections = append(t.connections, c)
	}
	return t, nil
}

func (t *etcdTarget) Close() error {
	var errs []error
	for _, c := range t.connections {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Dial gives a client its share of a connection.
func (t *etcdTarget) Dial(_ context.Context, client int) (loadgen.Conn, error) {
	return etcdConn{t.connections[client%len(t.connections)]}, nil
}

type etcdConn struct{ client *clientv3.Client }

// Do executes one operation after the other: etcd's API has no pipelines.
func (c etcdConn) Do(ctx context.Context, batch []loadgen.Op) error {
	for i := range batch {
		op := &batch[i]
		op.Failure, op.Missed = "", false
		var err error
		if op.Kind == loadgen.Read {
			var got *clientv3.GetResponse
			if got, err = c.client.Get(ctx, string(op.Key)); err == nil {
				op.Missed = len(got.Kvs) == 0
			}
		} else {
			_, err = c.client.Put(ctx, string(op.Key), string(op.Value))
		}
		if err != nil {
			op.Failure = status.Code(err).String()
		}
	}
	return nil
}

func (etcdConn) Close() error { return nil }
