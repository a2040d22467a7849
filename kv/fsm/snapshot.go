package fsm

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/hashicorp/raft"

	"raftkv/kv/resp"
	"raftkv/kv/store"
	"raftkv/shard"
	"raftkv/shard/migrate"
	"raftkv/snapshot"
)

// image is the state at one moment, on its way into a snapshot. It shares pages
// with the live state, which copies what it changes.
type image struct {
	header   snapshot.Header
	meta     describe
	view     *store.View
	sessions *sessions
	pace     func()
}

var _ raft.FSMSnapshot = (*image)(nil)

// Snapshot takes an image of the state. It takes microseconds at any size: raft
// applies nothing meanwhile.
func (f *FSM) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	f.atSnapshot.Store(f.busy.Load())
	return f.image(), nil
}

func (f *FSM) image() *image {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	image := &image{
		header: snapshot.Header{
			Cluster: f.opts.Cluster, Group: f.opts.Group,
			Index: f.Applied(), Term: s.term, Epoch: s.epoch, Clock: s.store.Clock(),
		},
		meta:     s.describe(),
		view:     s.store.Snapshot(),
		sessions: s.sessions.copy(),
	}
	if f.opts.SnapshotPace != nil {
		image.pace = f.opts.SnapshotPace()
	}
	return image
}

// Persist writes the image. It runs beside Apply.
func (i *image) Persist(sink raft.SnapshotSink) error {
	if err := i.write(sink); err != nil {
		sink.Cancel()
		return err
	}
	return sink.Close()
}

// Release is called by raft whether the image was written or not.
func (i *image) Release() { i.view, i.sessions = nil, nil }

func (i *image) write(w io.Writer) error {
	meta, err := json.Marshal(i.meta)
	if err != nil {
		return err
	}
	out := snapshot.NewWriter(w, i.header, meta, i.pace)
	sessions := i.sessions.bySlot()
	var reply []byte
	for slot := range uint16(shard.Slots) {
		if i.view.SlotLen(slot) == 0 && i.view.Deleted(slot) == 0 && (len(sessions) == 0 || sessions[0].slot != slot) {
			continue
		}
		out.Slot(slot, i.view.Deleted(slot))
		i.view.AscendSlot(slot, func(key []byte, it store.Item) bool {
			out.Key(key, it.Value, it.ExpireAt, it.Changed)
			return out.Err() == nil
		})
		i.view.AscendGraves(slot, func(key []byte, index, digest uint64) bool {
			out.Tombstone(key, index, digest)
			return out.Err() == nil
		})
		for len(sessions) > 0 && sessions[0].slot == slot {
			s := sessions[0]
			sessions = sessions[1:]
			reply = resp.AppendReply(reply[:0], &s.reply, 3)
			out.Session(s.id, s.seq, s.active, reply)
		}
		if out.Err() != nil {
			break
		}
		// The appliers and the network come first.
		runtime.Gosched()
	}
	_, err = out.Close()
	return err
}

// restoring builds a state from a snapshot. Its methods are called concurrently
// for different partitions.
type restoring struct {
	state  *state
	header snapshot.Header
	loader *store.Loader

	mu       sync.Mutex
	sessions []*session
}

// readState builds a state aside. Nothing is to be served from it unless the
// error is nil.
func readState(source io.Reader) (*state, snapshot.Header, error) {
	r := new(restoring)
	header, _, err := snapshot.Read(source, r)
	if err != nil {
		return nil, header, err
	}
	s := r.state
	s.store = r.loader.Done()
	s.exec.Store = s.store
	s.gateAll()
	for _, x := range r.sessions {
		// When each changed is not written; later than it was does no harm.
		x.changed = header.Index
		s.sessions.remember(x)
	}
	return s, header, nil
}

func (r *restoring) Begin(header snapshot.Header, meta []byte) error {
	r.header = header
	r.loader = store.NewLoader(header.Clock, header.Index)
	r.state = newState(store.New())
	r.state.term, r.state.epoch = header.Term, header.Epoch
	var d describe
	if err := json.Unmarshal(meta, &d); err != nil {
		return fmt.Errorf("%w: meta section: %v", snapshot.ErrDamaged, err)
	}
	if (header.Group == shard.Controller) != (d.Controller != nil) {
		return fmt.Errorf("%w: meta section: group 0 and no other has a shard map", snapshot.ErrDamaged)
	}
	if err := r.state.restoreDescription(d); err != nil {
		return err
	}
	for _, m := range r.state.moves.active {
		if m.keepsTrail() {
			r.loader.Track(m.Number, m.Slots, m.Phase == migrate.Installing, m.Base, m.Cleared)
		}
	}
	return nil
}

func (r *restoring) Slot(slot uint16, deleted uint64) error {
	return r.loader.Partition(partition(slot)).Slot(slot, deleted)
}

func (r *restoring) Key(slot uint16, key, value []byte, expireAt int64, changed uint64) error {
	return r.loader.Partition(partition(slot)).Add(key, value, expireAt, changed)
}

func (r *restoring) Session(slot uint16, id []byte, seq uint64, active int64, reply []byte) error {
	decoded, err := readReply(reply)
	if err != nil {
		return fmt.Errorf("%w: the reply of session %q: %v", snapshot.ErrDamaged, id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions = append(r.sessions, &session{slot: slot, id: string(id), seq: seq, active: active, reply: decoded})
	return nil
}

func (r *restoring) Tombstone(slot uint16, key []byte, index, digest uint64) error {
	return r.loader.Partition(partition(slot)).Grave(key, index, digest)
}

func partition(slot uint16) int { return int(slot) / (shard.Slots / snapshot.Partitions) }
