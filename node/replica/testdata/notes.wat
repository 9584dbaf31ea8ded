;; A guest with host-managed collections that starts in microseconds. A call's input is
;; records of 32 bytes, each a call of module "mero":
;;
;;   0 what | 1 handle | 2 index, kind | 3 count, flags | 4 length of the key, 255: who calls
;;   5 length of the value | 6 key | 16 value
;;
;; Handles count from 1, in the order of what is opened. An index is taken modulo what
;; there is. A record with the what of 0 ends the input.
;;
;; Its migrations change something in each collection of a root, and what they do rests
;; on all that they find and on the mark, which tests change in the binary.
;;
;; wat2wasm notes.wat -o notes.wasm
(module
  (import "env" "input" (func $input (param i64)))
  (import "env" "register_len" (func $register_len (param i64) (result i64)))
  (import "env" "read_register" (func $read_register (param i64 i64) (result i32)))
  (import "env" "executor_id" (func $executor (param i64)))
  (import "mero" "open" (func $open (param i32 i32 i32 i32 i32) (result i32)))
  (import "mero" "insert_open" (func $insert_open (param i32 i64 i32 i32) (result i32)))
  (import "mero" "kind" (func $kind (param i32 i32 i32) (result i32)))
  (import "mero" "len" (func $len (param i32) (result i64)))
  (import "mero" "take" (func $take (param i32)))
  (import "mero" "get" (func $get (param i32 i32 i32) (result i64)))
  (import "mero" "put" (func $put (param i32 i32 i32 i32 i32)))
  (import "mero" "remove" (func $remove (param i32 i32 i32) (result i32)))
  (import "mero" "add" (func $add (param i32 i32 i32) (result i32)))
  (import "mero" "count" (func $count (param i32) (result i64)))
  (import "mero" "increase" (func $increase (param i32 i64)))
  (import "mero" "insert_at" (func $insert_at (param i32 i64 i32 i32)))
  (import "mero" "put_at" (func $put_at (param i32 i64 i32 i32)))
  (import "mero" "remove_at" (func $remove_at (param i32 i64 i64)))
  (import "mero" "text_insert" (func $text_insert (param i32 i64 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 0x100) "mark:0")  ;; the last byte is written by migrations
  (data (i32.const 0x110) "mscltrn") ;; names in the root
  (data (i32.const 0x120) "k0")      ;; a key, whose number counts

  (func $name (param $i i32) (param $kind i32) (result i32)
    (call $open (i32.const 0) (i32.add (i32.const 0x110) (local.get $i)) (i32.const 1) (local.get $kind) (i32.const 0)))

  (func $read (param $register i64) (param $to i64)
    (i64.store (i32.const 0x180) (local.get $to))
    (i64.store (i32.const 0x188) (call $register_len (local.get $register)))
    (drop (call $read_register (local.get $register) (i64.const 0x180))))

  ;; value puts a value at 0x800 with the mark behind it, and gives the length of both;
  ;; 0: there is none.
  (func $value (param $ref i32) (param $key i32) (param $size i32) (result i32)
    (local $n i64)
    (local.set $n (call $get (local.get $ref) (local.get $key) (local.get $size)))
    (if (i64.lt_s (local.get $n) (i64.const 0)) (then (return (i32.const 0))))
    (call $take (i32.const 0x800))
    (i32.store8 (i32.add (i32.const 0x800) (i32.wrap_i64 (local.get $n))) (i32.load8_u (i32.const 0x105)))
    (i32.add (i32.wrap_i64 (local.get $n)) (i32.const 1)))

  ;; at is an index modulo one more than there is, if so many are to follow.
  (func $at (param $ref i32) (param $index i32) (param $follow i64) (result i64)
    (local $n i64)
    (local.set $n (i64.sub (call $len (local.get $ref)) (local.get $follow)))
    (if (i64.lt_s (local.get $n) (i64.const 0)) (then (unreachable)))
    (i64.rem_u (i64.extend_i32_u (local.get $index)) (i64.add (local.get $n) (i64.const 1))))

  (func $do (param $r i32)
    (local $what i32) (local $ref i32) (local $a i32) (local $b i32)
    (local $key i32) (local $keys i32) (local $value i32) (local $size i32)
    (local.set $what (i32.load8_u (local.get $r)))
    (local.set $ref (i32.load8_u offset=1 (local.get $r)))
    (local.set $a (i32.load8_u offset=2 (local.get $r)))
    (local.set $b (i32.load8_u offset=3 (local.get $r)))
    (local.set $keys (i32.load8_u offset=4 (local.get $r)))
    (local.set $size (i32.load8_u offset=5 (local.get $r)))
    (local.set $key (i32.add (local.get $r) (i32.const 6)))
    (local.set $value (i32.add (local.get $r) (i32.const 16)))
    (if (i32.eq (local.get $keys) (i32.const 255))
      (then (local.set $key (i32.const 0x140)) (local.set $keys (i32.const 32))))
    (if (i32.eq (local.get $what) (i32.const 111)) ;; o: open
      (then (drop (call $open (local.get $ref) (local.get $key) (local.get $keys) (local.get $a) (local.get $b)))))
    (if (i32.eq (local.get $what) (i32.const 78)) ;; N: a new collection in a list, of the kind that is the count
      (then (drop (call $insert_open (local.get $ref) (call $at (local.get $ref) (local.get $a) (i64.const 0)) (local.get $b) (i32.const 0)))))
    (if (i32.eq (local.get $what) (i32.const 112)) ;; p: put
      (then (call $put (local.get $ref) (local.get $key) (local.get $keys) (local.get $value) (local.get $size))))
    (if (i32.eq (local.get $what) (i32.const 120)) ;; x: remove
      (then (drop (call $remove (local.get $ref) (local.get $key) (local.get $keys)))))
    (if (i32.eq (local.get $what) (i32.const 97)) ;; a: add
      (then (drop (call $add (local.get $ref) (local.get $key) (local.get $keys)))))
    (if (i32.eq (local.get $what) (i32.const 105)) ;; i: increase, by 50 less
      (then (call $increase (local.get $ref) (i64.sub (i64.extend_i32_u (local.get $a)) (i64.const 50)))))
    (if (i32.eq (local.get $what) (i32.const 73)) ;; I: insert into a list
      (then (call $insert_at (local.get $ref) (call $at (local.get $ref) (local.get $a) (i64.const 0)) (local.get $value) (local.get $size))))
    (if (i32.eq (local.get $what) (i32.const 80)) ;; P: replace in a list
      (then (call $put_at (local.get $ref) (call $at (local.get $ref) (local.get $a) (i64.const 1)) (local.get $value) (local.get $size))))
    (if (i32.eq (local.get $what) (i32.const 88)) ;; X: remove from a list or a text
      (then (call $remove_at (local.get $ref)
        (call $at (local.get $ref) (local.get $a) (i64.extend_i32_u (local.get $b))) (i64.extend_i32_u (local.get $b)))))
    (if (i32.eq (local.get $what) (i32.const 84)) ;; T: insert into a text
      (then (call $text_insert (local.get $ref) (call $at (local.get $ref) (local.get $a) (i64.const 0)) (local.get $value) (local.get $size)))))

  (func (export "do")
    (local $r i32)
    (call $executor (i64.const 1))
    (call $read (i64.const 1) (i64.const 0x140))
    (call $input (i64.const 1))
    (call $read (i64.const 1) (i64.const 0x1000))
    (local.set $r (i32.const 0x1000))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (i32.load8_u (local.get $r))))
        (call $do (local.get $r))
        (local.set $r (i32.add (local.get $r) (i32.const 32)))
        (br $next))))

  ;; entries goes through k0 … k8 of the map: every value gets the mark behind it, or is
  ;; removed if its length can be divided by 3.
  (func $entries
    (local $map i32) (local $i i32) (local $n i32)
    (local.set $map (call $name (i32.const 0) (i32.const 2)))
    (loop $next
      (i32.store8 (i32.const 0x121) (i32.add (i32.const 48) (local.get $i)))
      (local.set $n (call $value (local.get $map) (i32.const 0x120) (i32.const 2)))
      (if (local.get $n)
        (then
          (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 3)))
            (then (drop (call $remove (local.get $map) (i32.const 0x120) (i32.const 2))))
            (else (call $put (local.get $map) (i32.const 0x120) (i32.const 2) (i32.const 0x800) (local.get $n))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 9)))))

  ;; nested goes through k0 … k2 of the nested map: the first is removed, each other
  ;; counts in its counter, and has a key with a letter for the sum.
  (func $nested
    (local $map i32) (local $i i32) (local $in i32) (local $count i32)
    (local.set $map (call $name (i32.const 6) (i32.const 2)))
    (i32.store8 (i32.const 0x121) (i32.const 48))
    (drop (call $remove (local.get $map) (i32.const 0x120) (i32.const 2)))
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (i32.store8 (i32.const 0x121) (i32.add (i32.const 48) (local.get $i)))
      (if (i32.eq (call $kind (local.get $map) (i32.const 0x120) (i32.const 2)) (i32.const 2))
        (then
          (local.set $in (call $open (local.get $map) (i32.const 0x120) (i32.const 2) (i32.const 2) (i32.const 0)))
          (local.set $count (call $open (local.get $in) (i32.const 0x112) (i32.const 1) (i32.const 4) (i32.const 0)))
          (call $increase (local.get $count) (i64.extend_i32_u (i32.load8_u (i32.const 0x105))))
          (i32.store8 (i32.const 0x800) (i32.add (i32.const 65) (i32.wrap_i64 (i64.rem_u (call $count (local.get $count)) (i64.const 26)))))
          (call $put (local.get $in) (i32.const 0x800) (i32.const 1) (i32.const 0x100) (i32.const 6))))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 2)))))

  ;; sequence takes one out of the middle and gives where its middle is then.
  (func $sequence (param $ref i32) (result i64)
    (if (i64.gt_s (call $len (local.get $ref)) (i64.const 1))
      (then (call $remove_at (local.get $ref) (i64.div_u (call $len (local.get $ref)) (i64.const 2)) (i64.const 1))))
    (i64.div_u (call $len (local.get $ref)) (i64.const 2)))

  (func $all (result i64)
    (local $ref i32) (local $n i64)
    (call $entries)
    (call $nested)
    (local.set $ref (call $name (i32.const 1) (i32.const 3))) ;; the set gets a letter for its size, and loses e1
    (i32.store8 (i32.const 0x800) (i32.add (i32.const 65) (i32.wrap_i64 (i64.rem_u (call $len (local.get $ref)) (i64.const 26)))))
    (drop (call $add (local.get $ref) (i32.const 0x800) (i32.const 1)))
    (drop (call $add (local.get $ref) (i32.const 0x100) (i32.const 6)))
    (i32.store16 (i32.const 0x800) (i32.const 0x3165))
    (drop (call $remove (local.get $ref) (i32.const 0x800) (i32.const 2)))
    (local.set $ref (call $name (i32.const 3) (i32.const 5)))
    (local.set $n (call $sequence (local.get $ref)))
    (call $insert_at (local.get $ref) (local.get $n) (i32.const 0x100) (i32.const 6))
    (local.set $ref (call $name (i32.const 4) (i32.const 6)))
    (local.set $n (call $sequence (local.get $ref)))
    (call $text_insert (local.get $ref) (local.get $n) (i32.const 0x100) (i32.const 6))
    (local.set $ref (call $name (i32.const 5) (i32.const 1)))
    (call $put (local.get $ref) (i32.const 0) (i32.const 0) (i32.const 0x800) (call $value (local.get $ref) (i32.const 0) (i32.const 0)))
    (local.set $ref (call $name (i32.const 2) (i32.const 4))) ;; the counter, about twice
    (local.set $n (call $count (local.get $ref)))
    (call $increase (local.get $ref) (i64.add (i64.rem_s (local.get $n) (i64.const 1000)) (i64.extend_i32_u (i32.load8_u (i32.const 0x105)))))
    (local.get $n))

  (func (export "migrate") (drop (call $all)))

  ;; migrate_odd traps, after all, where the counter was even.
  (func (export "migrate_odd")
    (if (i64.eqz (i64.and (call $all) (i64.const 1))) (then (unreachable))))

  (func (export "migrate_badly") (drop (call $all)) (unreachable)))
