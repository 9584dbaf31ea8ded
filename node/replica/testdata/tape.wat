;; A guest for tests of the fold that starts in microseconds. A call's input is a
;; tape: a T, then operations of three bytes each: what,
;; a key of one byte, an argument. `do` runs the tape and commits it as the artifact;
;; peers run it again.
;;
;; wat2wasm tape.wat -o tape.wasm
(module
  (import "env" "input" (func $input (param i64)))
  (import "env" "register_len" (func $register_len (param i64) (result i64)))
  (import "env" "read_register" (func $read_register (param i64 i64 i64) (result i32)))
  (import "env" "storage_read" (func $storage_read (param i64 i64 i64) (result i32)))
  (import "env" "storage_write" (func $storage_write (param i64 i64 i64 i64 i64) (result i32)))
  (import "env" "storage_remove" (func $storage_remove (param i64 i64 i64) (result i32)))
  (import "env" "value_return" (func $value_return (param i64 i64 i64)))
  (import "env" "commit" (func $commit (param i64 i64 i64 i64)))
  (import "env" "random_bytes" (func $random (param i64 i64)))
  (import "env" "time_now" (func $now (param i64 i64)))
  (memory (export "memory") 4)
  (global $apply (mut i32) (i32.const 0))
  (global $commits (mut i32) (i32.const 1))
  (global $len (mut i32) (i32.const 0)) ;; of the tape, which is at 0x1000

  ;; read puts the value of a key at 0x10000 and gives its length, -1 if there is none.
  (func $read (param $key i32) (result i32)
    (local $n i64)
    (if (i32.eqz (call $storage_read (i64.extend_i32_u (local.get $key)) (i64.const 1) (i64.const 1)))
      (then (return (i32.const -1))))
    (local.set $n (call $register_len (i64.const 1)))
    (drop (call $read_register (i64.const 1) (i64.const 0x10000) (local.get $n)))
    (i32.wrap_i64 (local.get $n)))

  (func $write (param $key i32) (param $n i32)
    (drop (call $storage_write (i64.extend_i32_u (local.get $key)) (i64.const 1)
      (i64.const 0x10000) (i64.extend_i32_u (local.get $n)) (i64.const 2))))

  (func $append (param $key i32) (param $b i32)
    (local $n i32)
    (local.set $n (call $read (local.get $key)))
    (if (i32.lt_s (local.get $n) (i32.const 0)) (then (local.set $n (i32.const 0))))
    (if (i32.gt_s (local.get $n) (i32.const 150000)) (then (return)))
    (i32.store8 (i32.add (i32.const 0x10000) (local.get $n)) (local.get $b))
    (call $write (local.get $key) (i32.add (local.get $n) (i32.const 1))))

  (func $step (param $at i32)
    (local $op i32) (local $key i32) (local $arg i32) (local $n i32) (local $i i32)
    (local.set $op (i32.load8_u (local.get $at)))
    (local.set $key (i32.add (local.get $at) (i32.const 1)))
    (local.set $arg (i32.load8_u (i32.add (local.get $at) (i32.const 2))))

    (if (i32.eq (local.get $op) (i32.const 97)) ;; a: append
      (then (call $append (local.get $key) (local.get $arg))))
    (if (i32.eq (local.get $op) (i32.const 115)) ;; s: set
      (then
        (i32.store8 (i32.const 0x10000) (local.get $arg))
        (call $write (local.get $key) (i32.const 1))))
    (if (i32.eq (local.get $op) (i32.const 100)) ;; d: delete
      (then (drop (call $storage_remove (i64.extend_i32_u (local.get $key)) (i64.const 1) (i64.const 2)))))
    (if (i32.eq (local.get $op) (i32.const 109)) ;; m: copy to the key that is the argument
      (then
        (local.set $n (call $read (local.get $key)))
        (if (i32.ge_s (local.get $n) (i32.const 0))
          (then (call $write (i32.add (local.get $at) (i32.const 2)) (local.get $n))))))
    (if (i32.eq (local.get $op) (i32.const 105)) ;; i: append to the key that is named by the value's last byte
      (then
        (local.set $n (call $read (local.get $key)))
        (if (i32.gt_s (local.get $n) (i32.const 0))
          (then
            (i32.store8 (i32.const 0xf00) (i32.load8_u (i32.add (i32.const 0xffff) (local.get $n))))
            (call $append (i32.const 0xf00) (local.get $arg))))))
    (if (i32.eq (local.get $op) (i32.const 102)) ;; f: 512 times as many bytes as the argument
      (then
        (memory.fill (i32.const 0x10000) (local.get $arg) (i32.mul (local.get $arg) (i32.const 512)))
        (call $write (local.get $key) (i32.mul (local.get $arg) (i32.const 512)))))
    (if (i32.eq (local.get $op) (i32.const 112)) ;; p: add 1 to one byte
      (then
        (local.set $n (call $read (local.get $key)))
        (if (i32.gt_s (local.get $n) (i32.const 0))
          (then
            (local.set $i (i32.add (i32.const 0x10000) (i32.rem_u (i32.mul (local.get $arg) (i32.const 997)) (local.get $n))))
            (i32.store8 (local.get $i) (i32.add (i32.load8_u (local.get $i)) (i32.const 1)))
            (call $write (local.get $key) (local.get $n))))))
    (if (i32.eq (local.get $op) (i32.const 99)) ;; c: cut to a half
      (then
        (local.set $n (call $read (local.get $key)))
        (if (i32.ge_s (local.get $n) (i32.const 0))
          (then (call $write (local.get $key) (i32.div_u (local.get $n) (i32.const 2)))))))
    (if (i32.eq (local.get $op) (i32.const 120)) ;; x: trap if the key is there
      (then (if (i32.ge_s (call $read (local.get $key)) (i32.const 0)) (then (unreachable)))))
    (if (i32.eq (local.get $op) (i32.const 110)) ;; n: trap if it is not
      (then (if (i32.lt_s (call $read (local.get $key)) (i32.const 0)) (then (unreachable)))))
    (if (i32.eq (local.get $op) (i32.const 117)) ;; u: trap when applied only
      (then (if (global.get $apply) (then (unreachable)))))
    (if (i32.eq (local.get $op) (i32.const 108)) ;; l: loop for ever, when applied
      (then (if (global.get $apply) (then (loop $forever (br $forever))))))
    (if (i32.eq (local.get $op) (i32.const 101)) ;; e: no commit
      (then (global.set $commits (i32.const 0))))
    (if (i32.eq (local.get $op) (i32.const 118)) ;; v: return an error, when applied
      (then (if (global.get $apply) (then (call $value_return (i64.const 1) (i64.const 0x1000) (i64.const 1))))))
    (if (i32.eq (local.get $op) (i32.const 114)) ;; r: 8 random bytes, and the time
      (then
        (call $random (i64.const 0x10000) (i64.const 8))
        (call $now (i64.const 0x10008) (i64.const 8))
        (call $write (local.get $key) (i32.const 16))))
    (if (i32.eq (local.get $op) (i32.const 119)) ;; w: take time: 65 536 rounds a unit
      (then
        (local.set $i (i32.mul (local.get $arg) (i32.const 65536)))
        (loop $more
          (local.set $i (i32.sub (local.get $i) (i32.const 1)))
          (br_if $more (i32.gt_s (local.get $i) (i32.const 0))))))
    (if (i32.eq (local.get $op) (i32.const 107)) ;; k: set, by the author's call only: a local key
      (then (if (i32.eqz (global.get $apply))
        (then
          (i32.store8 (i32.const 0x10000) (local.get $arg))
          (call $write (local.get $key) (i32.const 1))))))
    (if (i32.eq (local.get $op) (i32.const 113)) ;; q: as many keys of 8 MiB as the argument, when applied
      (then (if (global.get $apply)
        (then
          (drop (memory.grow (i32.const 160)))
          (local.set $i (i32.const 0))
          (loop $keys
            (i32.store8 (i32.const 0xf00) (i32.load8_u (local.get $key)))
            (i32.store8 (i32.const 0xf01) (local.get $i))
            (drop (call $storage_write (i64.const 0xf00) (i64.const 2) (i64.const 0x40000) (i64.const 0x800000) (i64.const 2)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $keys (i32.lt_u (local.get $i) (local.get $arg)))))))))

  (func $run
    (local $at i32)
    (call $input (i64.const 0))
    (global.set $len (i32.wrap_i64 (call $register_len (i64.const 0))))
    (if (i32.gt_u (global.get $len) (i32.const 0x8000)) (then (unreachable)))
    (drop (call $read_register (i64.const 0) (i64.const 0x1000) (i64.extend_i32_u (global.get $len))))
    (local.set $at (i32.const 0x1001))
    (if (i32.ne (i32.load8_u (i32.const 0x1000)) (i32.const 84)) (then (return))) ;; no tape: it does nothing
    (block $end
      (loop $next
        (br_if $end (i32.gt_u (i32.add (local.get $at) (i32.const 3)) (i32.add (i32.const 0x1000) (global.get $len))))
        (call $step (local.get $at))
        (local.set $at (i32.add (local.get $at) (i32.const 3)))
        (br $next))))

  (func (export "init")
    (i32.store8 (i32.const 0x1000) (i32.const 84))
    (call $commit (i64.const 0x1000) (i64.const 32) (i64.const 0x1000) (i64.const 1)))

  (func (export "do")
    (call $run)
    (if (global.get $commits)
      (then (call $commit (i64.const 0x1000) (i64.const 32) (i64.const 0x1000) (i64.extend_i32_u (global.get $len))))))

  ;; get gives the value of the key that is the input's second byte.
  (func (export "get")
    (local $n i32)
    (call $run)
    (local.set $n (call $read (i32.const 0x1002)))
    (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return)))
    (call $value_return (i64.const 0) (i64.const 0x10000) (i64.extend_i32_u (local.get $n))))

  (func (export "__calimero_sync_next")
    (global.set $apply (i32.const 1))
    (call $run)
    (if (global.get $commits)
      (then (call $commit (i64.const 0x1000) (i64.const 32) (i64.const 0) (i64.const 0))))))
