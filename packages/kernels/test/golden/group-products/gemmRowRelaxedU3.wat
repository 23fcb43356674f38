(func $gemmRowRelaxedU3 (param $w i32) (param $blockStride i32) (param $groups i32) (param $groupUnits i32) (param $lastUnits i32) (param $prepared i32) (param $N i32) (param $out i32) (param $xScale i32) (param $flags i32) (param $ragged i32)
  (local $wAt i32)
  (local $xAt i32)
  (local $group i32)
  (local $units i32)
  (local $target i32)
  (local $total0 v128)
  (local $total1 v128)
  (local $total2 v128)
  (local $total3 v128)
  (local $accumulator0 v128)
  (local $accumulator1 v128)
  (local $accumulator2 v128)
  (local $accumulator3 v128)
  (local $factor v128)
  (local $sum0 v128)
  (local $sum1 v128)
  (local $sum2 v128)
  (local $sum3 v128)
  (local $x0 v128)
  (local $x1 v128)
  (local $x2 v128)
  (local $x3 v128)
  (local $copied i32)
  (local $from i32)
  (local $to i32)
  (local $step0 v128)
  (local $step2 v128)
  (local $step0 v128)
  (local $step2 v128)
  (local $step0 v128)
  (local $step2 v128)
  (local $step0 v128)
  (local $step2 v128)
  (local $step1 v128)
  (local $step2 v128)
  (local $step1 v128)
  (local $step2 v128)
  (local $step1 v128)
  (local $step2 v128)
  (local $step1 v128)
  (local $step2 v128)
  local.get $N
  i32.const 0
  i32.gt_s
  if
    loop
      local.get $out
      local.set $target
      local.get $N
      i32.const 16
      i32.ge_s
      i32.eqz
      if
        local.get $ragged
        local.set $target
        local.get $flags
        i32.const 1
        i32.and
        if
          local.get $out
          local.set $from
          local.get $ragged
          local.set $to
          local.get $N
          local.set $copied
          local.get $copied
          if
            loop
              local.get $to
              local.get $from
              i32.load
              i32.store
              local.get $from
              i32.const 4
              i32.add
              local.set $from
              local.get $to
              i32.const 4
              i32.add
              local.set $to
              local.get $copied
              i32.const -1
              i32.add
              local.set $copied
              local.get $copied
              br_if 0
            end
          end
        end
      end
      local.get $flags
      i32.const 1
      i32.and
      if
        local.get $target
        v128.load
        local.set $accumulator0
        local.get $target
        v128.load offset=16
        local.set $accumulator1
        local.get $target
        v128.load offset=32
        local.set $accumulator2
        local.get $target
        v128.load offset=48
        local.set $accumulator3
      else
        v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
        local.set $accumulator0
        v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
        local.set $accumulator1
        v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
        local.set $accumulator2
        v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
        local.set $accumulator3
      end
      local.get $w
      local.set $wAt
      local.get $prepared
      local.set $xAt
      local.get $groups
      local.set $group
      local.get $group
      i32.const 0
      i32.gt_s
      if
        loop
          local.get $groupUnits
          local.set $units
          local.get $group
          i32.const 1
          i32.eq
          if
            local.get $lastUnits
            local.set $units
          end
          local.get $xAt
          v128.load
          local.set $sum0
          local.get $sum0
          local.set $sum1
          local.get $sum0
          local.set $sum2
          local.get $sum0
          local.set $sum3
          local.get $xAt
          i32.const 16
          i32.add
          local.set $xAt
          loop
            local.get $xAt
            v128.load32_splat
            local.set $x0
            local.get $xAt
            v128.load32_splat offset=4
            local.set $x1
            local.get $xAt
            v128.load32_splat offset=8
            local.set $x2
            local.get $xAt
            v128.load32_splat offset=12
            local.set $x3
            block
              local.get $wAt
              v128.load
              local.set $step0
              local.get $wAt
              v128.load offset=128
              local.set $step2
              local.get $sum0
              local.get $x0
              local.get $step0
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step0
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum0
              local.get $sum0
              local.get $x2
              local.get $step0
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step0
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum0
              local.get $xAt
              i32.const 0
              i32.eq
              br_if 0
              local.get $wAt
              v128.load offset=16
              local.set $step0
              local.get $wAt
              v128.load offset=144
              local.set $step2
              local.get $sum1
              local.get $x0
              local.get $step0
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step0
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum1
              local.get $sum1
              local.get $x2
              local.get $step0
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step0
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum1
              local.get $xAt
              i32.const 0
              i32.eq
              br_if 0
              local.get $wAt
              v128.load offset=32
              local.set $step0
              local.get $wAt
              v128.load offset=160
              local.set $step2
              local.get $sum2
              local.get $x0
              local.get $step0
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step0
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum2
              local.get $sum2
              local.get $x2
              local.get $step0
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step0
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum2
              local.get $xAt
              i32.const 0
              i32.eq
              br_if 0
              local.get $wAt
              v128.load offset=48
              local.set $step0
              local.get $wAt
              v128.load offset=176
              local.set $step2
              local.get $sum3
              local.get $x0
              local.get $step0
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step0
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shl
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum3
              local.get $sum3
              local.get $x2
              local.get $step0
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step0
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 1
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum3
            end
            local.get $xAt
            v128.load32_splat offset=16
            local.set $x0
            local.get $xAt
            v128.load32_splat offset=20
            local.set $x1
            local.get $xAt
            v128.load32_splat offset=24
            local.set $x2
            local.get $xAt
            v128.load32_splat offset=28
            local.set $x3
            block
              local.get $wAt
              v128.load offset=64
              local.set $step1
              local.get $wAt
              v128.load offset=128
              local.set $step2
              local.get $sum0
              local.get $x0
              local.get $step1
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step1
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 3
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum0
              local.get $sum0
              local.get $x2
              local.get $step1
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step1
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 5
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum0
              local.get $xAt
              i32.const 0
              i32.eq
              br_if 0
              local.get $wAt
              v128.load offset=80
              local.set $step1
              local.get $wAt
              v128.load offset=144
              local.set $step2
              local.get $sum1
              local.get $x0
              local.get $step1
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step1
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 3
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum1
              local.get $sum1
              local.get $x2
              local.get $step1
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step1
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 5
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum1
              local.get $xAt
              i32.const 0
              i32.eq
              br_if 0
              local.get $wAt
              v128.load offset=96
              local.set $step1
              local.get $wAt
              v128.load offset=160
              local.set $step2
              local.get $sum2
              local.get $x0
              local.get $step1
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step1
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 3
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum2
              local.get $sum2
              local.get $x2
              local.get $step1
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step1
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 5
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum2
              local.get $xAt
              i32.const 0
              i32.eq
              br_if 0
              local.get $wAt
              v128.load offset=112
              local.set $step1
              local.get $wAt
              v128.load offset=176
              local.set $step2
              local.get $sum3
              local.get $x0
              local.get $step1
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x1
              local.get $step1
              i32.const 2
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 3
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum3
              local.get $sum3
              local.get $x2
              local.get $step1
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 4
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              local.get $x3
              local.get $step1
              i32.const 6
              i16x8.shr_u
              v128.const i8x16 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03 0x03
              v128.and
              local.get $step2
              i32.const 5
              i16x8.shr_u
              v128.const i8x16 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04 0x04
              v128.and
              v128.or
              i16x8.relaxed_dot_i8x16_i7x16_s
              i16x8.add
              i16x8.add
              local.set $sum3
            end
            local.get $wAt
            i32.const 192
            i32.add
            local.set $wAt
            local.get $xAt
            i32.const 32
            i32.add
            local.set $xAt
            local.get $units
            i32.const -1
            i32.add
            local.tee $units
            br_if 0
          end
          local.get $sum0
          v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
          i32x4.dot_i16x8_s
          local.set $total0
          local.get $sum1
          v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
          i32x4.dot_i16x8_s
          local.set $total1
          local.get $sum2
          v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
          i32x4.dot_i16x8_s
          local.set $total2
          local.get $sum3
          v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
          i32x4.dot_i16x8_s
          local.set $total3
          local.get $accumulator0
          local.get $total0
          f32x4.convert_i32x4_s
          local.get $wAt
          v128.load16x4_s
          i32.const 13
          i32x4.shl
          v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
          v128.and
          v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
          f32x4.mul
          f32x4.mul
          f32x4.add
          local.set $accumulator0
          local.get $accumulator1
          local.get $total1
          f32x4.convert_i32x4_s
          local.get $wAt
          v128.load16x4_s offset=8
          i32.const 13
          i32x4.shl
          v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
          v128.and
          v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
          f32x4.mul
          f32x4.mul
          f32x4.add
          local.set $accumulator1
          local.get $accumulator2
          local.get $total2
          f32x4.convert_i32x4_s
          local.get $wAt
          v128.load16x4_s offset=16
          i32.const 13
          i32x4.shl
          v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
          v128.and
          v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
          f32x4.mul
          f32x4.mul
          f32x4.add
          local.set $accumulator2
          local.get $accumulator3
          local.get $total3
          f32x4.convert_i32x4_s
          local.get $wAt
          v128.load16x4_s offset=24
          i32.const 13
          i32x4.shl
          v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
          v128.and
          v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
          f32x4.mul
          f32x4.mul
          f32x4.add
          local.set $accumulator3
          local.get $wAt
          i32.const 32
          i32.add
          local.set $wAt
          local.get $group
          i32.const -1
          i32.add
          local.set $group
          local.get $group
          i32.const 0
          i32.gt_s
          br_if 0
        end
      end
      local.get $flags
      i32.const 2
      i32.and
      if
        local.get $xScale
        v128.load32_splat
        local.set $factor
        local.get $accumulator0
        local.get $factor
        f32x4.mul
        local.set $accumulator0
        local.get $accumulator1
        local.get $factor
        f32x4.mul
        local.set $accumulator1
        local.get $accumulator2
        local.get $factor
        f32x4.mul
        local.set $accumulator2
        local.get $accumulator3
        local.get $factor
        f32x4.mul
        local.set $accumulator3
      end
      local.get $target
      local.get $accumulator0
      v128.store
      local.get $target
      local.get $accumulator1
      v128.store offset=16
      local.get $target
      local.get $accumulator2
      v128.store offset=32
      local.get $target
      local.get $accumulator3
      v128.store offset=48
      local.get $N
      i32.const 16
      i32.ge_s
      i32.eqz
      if
        local.get $ragged
        local.set $from
        local.get $out
        local.set $to
        local.get $N
        local.set $copied
        local.get $copied
        if
          loop
            local.get $to
            local.get $from
            i32.load
            i32.store
            local.get $from
            i32.const 4
            i32.add
            local.set $from
            local.get $to
            i32.const 4
            i32.add
            local.set $to
            local.get $copied
            i32.const -1
            i32.add
            local.set $copied
            local.get $copied
            br_if 0
          end
        end
      end
      local.get $w
      local.get $blockStride
      i32.add
      local.set $w
      local.get $out
      i32.const 64
      i32.add
      local.set $out
      local.get $N
      i32.const -16
      i32.add
      local.set $N
      local.get $N
      i32.const 0
      i32.gt_s
      br_if 0
    end
  end
)
