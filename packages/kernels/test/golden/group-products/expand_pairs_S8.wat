(func $expand_pairs_S8 (param $w i32) (param $groups i32) (param $groupUnits i32) (param $lastUnits i32) (param $panel i32) (param $halfBytes i32) (param $scales i32)
  (local $units i32)
  (local $second i32)
  (local $codes v128)
  (local $step0 v128)
  (local $step0 v128)
  (local $step0 v128)
  (local $step0 v128)
  local.get $panel
  local.get $halfBytes
  i32.add
  local.set $second
  local.get $groups
  i32.const 0
  i32.gt_s
  if
    loop
      local.get $groupUnits
      local.set $units
      local.get $groups
      i32.const 1
      i32.eq
      if
        local.get $lastUnits
        local.set $units
      end
      loop
        local.get $w
        v128.load
        local.set $step0
        local.get $step0
        local.set $codes
        local.get $panel
        local.get $codes
        i32.const 8
        i16x8.shl
        i32.const 8
        i16x8.shr_s
        v128.store
        local.get $panel
        local.get $codes
        i32.const 8
        i16x8.shr_s
        v128.store offset=32
        local.get $w
        v128.load offset=16
        local.set $step0
        local.get $step0
        local.set $codes
        local.get $panel
        local.get $codes
        i32.const 8
        i16x8.shl
        i32.const 8
        i16x8.shr_s
        v128.store offset=16
        local.get $panel
        local.get $codes
        i32.const 8
        i16x8.shr_s
        v128.store offset=48
        local.get $w
        v128.load offset=32
        local.set $step0
        local.get $step0
        local.set $codes
        local.get $second
        local.get $codes
        i32.const 8
        i16x8.shl
        i32.const 8
        i16x8.shr_s
        v128.store
        local.get $second
        local.get $codes
        i32.const 8
        i16x8.shr_s
        v128.store offset=32
        local.get $w
        v128.load offset=48
        local.set $step0
        local.get $step0
        local.set $codes
        local.get $second
        local.get $codes
        i32.const 8
        i16x8.shl
        i32.const 8
        i16x8.shr_s
        v128.store offset=16
        local.get $second
        local.get $codes
        i32.const 8
        i16x8.shr_s
        v128.store offset=48
        local.get $w
        i32.const 64
        i32.add
        local.set $w
        local.get $panel
        i32.const 64
        i32.add
        local.set $panel
        local.get $second
        i32.const 64
        i32.add
        local.set $second
        local.get $units
        i32.const -1
        i32.add
        local.tee $units
        br_if 0
      end
      local.get $scales
      local.get $w
      v128.load16x4_s
      i32.const 13
      i32x4.shl
      v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
      v128.and
      v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
      f32x4.mul
      v128.store
      local.get $scales
      local.get $w
      v128.load16x4_s offset=8
      i32.const 13
      i32x4.shl
      v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
      v128.and
      v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
      f32x4.mul
      v128.store offset=16
      local.get $scales
      local.get $w
      v128.load16x4_s offset=16
      i32.const 13
      i32x4.shl
      v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
      v128.and
      v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
      f32x4.mul
      v128.store offset=32
      local.get $scales
      local.get $w
      v128.load16x4_s offset=24
      i32.const 13
      i32x4.shl
      v128.const i8x16 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f 0xff 0xff 0xff 0x8f
      v128.and
      v128.const i8x16 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77 0x00 0x00 0x80 0x77
      f32x4.mul
      v128.store offset=48
      local.get $w
      i32.const 32
      i32.add
      local.set $w
      local.get $scales
      i32.const 64
      i32.add
      local.set $scales
      local.get $groups
      i32.const -1
      i32.add
      local.set $groups
      local.get $groups
      i32.const 0
      i32.gt_s
      br_if 0
    end
  end
)
