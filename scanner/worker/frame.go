package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Broker and worker exchange frames over a byte stream: a header of 16 bytes in little-endian
// order, then the payload.
//
//	offset  size  field
//	0       4     size of the payload
//	4       1     kind
//	5       1     number of files that belong to the frame
//	6       2     zero
//	8       8     id of the job, 0 for frames that belong to none
//
// How the files travel is the transport's affair: as ancillary data on Linux, as handle values
// at the start of the payload on Windows.
const headerSize = 16

// kind says what a frame means.
type kind uint8

// Frames from the broker have kinds below 16, those from the worker from 16 on.
const (
	kindHello   kind = 1 // limits to apply before anything else, as JSON
	kindSetup   kind = 2 // for Handler.Setup
	kindRequest kind = 3 // for Handler.Handle

	kindReport   kind = 16 // answer to hello: what confines the worker, as JSON
	kindReady    kind = 17 // the set-up succeeded
	kindRefused  kind = 18 // the set-up failed; the payload is the error's text
	kindResponse kind = 19 // one response to the job
	kindEnd      kind = 20 // the job has been handled; the payload is the error's text, if any
)

// frame is one frame without its files.
type frame struct {
	kind    kind
	files   int
	id      uint64
	payload []byte
}

// errProtocol is wrapped by all errors that say that the other side does not keep to the protocol.
var errProtocol = errors.New("protocol violation")

// appendFrame appends f to buf.
func appendFrame(buf []byte, f frame) []byte {
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(f.payload)))
	buf = append(buf, byte(f.kind), byte(f.files), 0, 0)
	buf = binary.LittleEndian.AppendUint64(buf, f.id)
	return append(buf, f.payload...)
}

// parseHeader returns the frame that a header announces, without its payload, and the payload's
// size.
func parseHeader(b []byte) (frame, int, error) {
	size := binary.LittleEndian.Uint32(b)
	if size > MaxFrame+maxHandles {
		return frame{}, 0, fmt.Errorf("%w: frame of %d bytes, the limit is %d", errProtocol, size, MaxFrame)
	}
	if b[6] != 0 || b[7] != 0 {
		return frame{}, 0, fmt.Errorf("%w: bad frame header % x", errProtocol, b[:headerSize])
	}
	return frame{kind: kind(b[4]), files: int(b[5]), id: binary.LittleEndian.Uint64(b[8:])}, int(size), nil
}

// maxHandles is the room that the handle values of a set-up take in a payload (Windows).
const maxHandles = 8 * MaxSetupFiles

// Sizes of a frameReader's buffer.
const (
	readBuffer = 64 << 10
	keepBuffer = 1 << 20 // a buffer that grew beyond this for one frame is given back
)

// frameReader cuts a stream into frames. The buffer grows with the bytes that arrive, not with
// what a header announces.
type frameReader struct {
	read       func([]byte) (int, error)
	buf        []byte
	start, end int // what of buf has been read from the stream and not been returned
}

// next returns the next frame; its payload is valid until the following call. It returns io.EOF
// if the stream ended between frames, and an error that wraps errProtocol for bad input.
func (r *frameReader) next() (frame, error) {
	for {
		f, ok, err := r.buffered()
		if ok || err != nil {
			return f, err
		}
		if err := r.fill(); err != nil {
			return frame{}, err
		}
	}
}

// buffered returns the next frame if it has arrived as a whole.
func (r *frameReader) buffered() (f frame, ok bool, err error) {
	have := r.buf[r.start:r.end]
	if len(have) < headerSize {
		return frame{}, false, nil
	}
	f, size, err := parseHeader(have)
	if err != nil || len(have)-headerSize < size {
		return frame{}, false, err
	}
	f.payload = have[headerSize : headerSize+size : headerSize+size]
	r.start += headerSize + size
	return f, true, nil
}

// fill reads once from the stream.
func (r *frameReader) fill() error {
	switch {
	case r.start == r.end && (r.buf == nil || len(r.buf) > keepBuffer):
		r.buf, r.start, r.end = make([]byte, readBuffer), 0, 0
	case r.start > 0:
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, 2*len(r.buf))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		if r.end > 0 {
			return fmt.Errorf("%w: stream ends inside a frame", errProtocol)
		}
		return io.EOF
	}
	return err
}
