package main

import "encoding/binary"

// A waPC guest in a few bytes whose every verdict is a trap. Settings are valid, and the protocol is
// the one of Kubewarden.
//
//	(module
//	  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
//	  (memory (export "memory") 1)
//	  (func (export "__guest_call") (param $operation i32) (param $request i32) (result i32)
//	    (if (i32.eq (local.get $operation) (i32.const 8)) ;; validate
//	      (then unreachable))
//	    (if (i32.eq (local.get $operation) (i32.const 16)) ;; protocol_version
//	      (then (call $respond (i32.const 0) (i32.const 4)))
//	      (else (call $respond (i32.const 4) (i32.const 14))))
//	    (i32.const 1))
//	  (data (i32.const 0) "\"v1\"{\"valid\":true}"))
func trapModule() []byte {
	const i32 = 0x7f
	text := func(text string) []byte { return append([]byte{byte(len(text))}, text...) }
	join := func(parts ...[]byte) []byte {
		var all []byte
		for _, part := range parts {
			all = append(all, part...)
		}
		return all
	}
	section := func(id byte, content []byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(content))), content...)
	}
	body := []byte{
		0,                                           // no locals
		0x20, 0, 0x41, 8, 0x46, 4, 0x40, 0x00, 0x0b, // if operation == 8: unreachable
		0x20, 0, 0x41, 16, 0x46, 4, 0x40, 0x41, 0, 0x41, 4, 0x10, 0, // if operation == 16: respond(0, 4)
		0x05, 0x41, 4, 0x41, 14, 0x10, 0, 0x0b, // else respond(4, 14)
		0x41, 1, 0x0b, // 1
	}
	return join(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{2, 0x60, 2, i32, i32, 0, 0x60, 2, i32, i32, 1, i32}),
		section(2, join([]byte{1}, text("wapc"), text("__guest_response"), []byte{0, 0})),
		section(3, []byte{1, 1}),
		section(5, []byte{1, 0, 1}),
		section(7, join([]byte{2}, text("memory"), []byte{2, 0}, text("__guest_call"), []byte{0, 1})),
		section(10, join([]byte{1, byte(len(body))}, body)),
		section(0, append(text("io.kubewarden.metadata"), trapMetadata...)),
		section(11, join([]byte{1, 0, 0x41, 0, 0x0b}, text(`"v1"{"valid":true}`))),
	)
}

// policy-server loads no module without it.
const trapMetadata = `{"protocolVersion":"v1","executionMode":"kubewarden-wapc","mutating":false,"rules":[]}`
