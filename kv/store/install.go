package store

import "raftkv/shard"

// Install makes key hold value as another group says: until expireAt, even if
// that has passed by this store's clock. Both slices are copied.
func (s *Store) Install(key, value []byte, expireAt int64) { s.put(key, value, expireAt) }

// Uninstall removes key as another group says, its grave included.
func (s *Store) Uninstall(key []byte) {
	s.Delete(key)
	slot, pos := position(key)
	if t := s.trails[slot]; t != nil {
		if g, _ := t.exhume(pos, key); g != "" {
			s.bytes -= cost(g)
		}
	}
}

// Forget drops the graves of a migration's slots: what has expired in them does
// not count any more.
func (s *Store) Forget(number uint64) {
	if t := s.trail(number); t != nil {
		s.bytes -= t.bytes
		t.clear(t.cleared)
	}
}

// Digest returns a hash of all keys of a migration's slots with their values and
// deadlines, in no order, those included that are due and not yet removed. In the
// slots of a mirror it counts all that was installed, expired or not.
func (s *Store) Digest(number uint64) (sum uint64) {
	t := s.trail(number)
	if t == nil {
		return 0
	}
	for slot := range shard.Each(t.slots) {
		sum += s.digest[slot]
	}
	return sum + t.ghosts
}
