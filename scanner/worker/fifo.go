package worker

// fifo is a queue in a ring that grows as needed.
type fifo[T any] struct {
	ring  []T
	first int
	n     int
}

func (q *fifo[T]) len() int { return q.n }

func (q *fifo[T]) push(v T) {
	if q.n == len(q.ring) {
		grown := make([]T, max(16, 2*q.n))
		copied := copy(grown, q.ring[q.first:])
		copy(grown[copied:], q.ring[:q.first])
		q.ring, q.first = grown, 0
	}
	q.ring[(q.first+q.n)%len(q.ring)] = v
	q.n++
}

// peek returns the oldest element; the queue must not be empty.
func (q *fifo[T]) peek() T { return q.ring[q.first] }

// pop removes and returns the oldest element; the queue must not be empty.
func (q *fifo[T]) pop() T {
	var zero T
	v := q.ring[q.first]
	q.ring[q.first] = zero
	q.first = (q.first + 1) % len(q.ring)
	q.n--
	return v
}

// drain removes and returns all elements, the oldest first.
func (q *fifo[T]) drain() []T {
	all := make([]T, 0, q.n)
	for q.n > 0 {
		all = append(all, q.pop())
	}
	return all
}
