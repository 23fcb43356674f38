(func $prepareRow_pairs (param $x i32) (param $length i32) (param $group i32) (param $unitColumns i32) (param $dst i32) (param $start i32) (param $inHalves i32)
  (local $left i32)
  (local $header i32)
  (local $padding i32)
  (local $x v128)
  (local $sum v128)
  local.get $length
  i32.const 0
  i32.gt_s
  if
    loop
      local.get $group
      local.set $left
      local.get $length
      local.get $group
      i32.lt_s
      if
        local.get $length
        local.set $left
      end
      local.get $length
      local.get $left
      i32.sub
      local.set $length
      local.get $left
      local.get $unitColumns
      i32.const 1
      i32.sub
      i32.add
      i32.const 0
      local.get $unitColumns
      i32.sub
      i32.and
      local.get $left
      i32.const 7
      i32.add
      i32.const -8
      i32.and
      i32.sub
      local.set $padding
      local.get $dst
      local.set $header
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      local.set $sum
      local.get $dst
      i32.const 16
      i32.add
      local.set $dst
      local.get $left
      i32.const 0
      i32.gt_s
      if
        loop
          local.get $x
          v128.load8x8_s
          local.set $x
          local.get $sum
          local.get $x
          v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
          i32x4.dot_i16x8_s
          i32x4.add
          local.set $sum
          local.get $dst
          local.get $x
          local.get $x
          i8x16.shuffle 0 1 4 5 2 3 6 7 8 9 12 13 10 11 14 15
          v128.store
          local.get $dst
          i32.const 16
          i32.add
          local.set $dst
          local.get $x
          i32.const 8
          i32.add
          local.set $x
          local.get $left
          i32.const -8
          i32.add
          local.set $left
          local.get $left
          i32.const 0
          i32.gt_s
          br_if 0
        end
      end
      local.get $padding
      i32.const 0
      i32.gt_s
      if
        loop
          local.get $dst
          v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
          v128.store
          local.get $dst
          i32.const 16
          i32.add
          local.set $dst
          local.get $padding
          i32.const -8
          i32.add
          local.set $padding
          local.get $padding
          i32.const 0
          i32.gt_s
          br_if 0
        end
      end
      local.get $sum
      local.get $sum
      local.get $sum
      i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7
      i32x4.add
      local.set $sum
      local.get $header
      local.get $sum
      i32x4.extract_lane 0
      local.get $start
      i32.mul
      i32.const 65535
      i32.and
      local.get $sum
      i32x4.extract_lane 1
      local.get $start
      i32.mul
      i32.const 16
      i32.shl
      i32.or
      local.get $sum
      i32x4.extract_lane 0
      local.get $start
      i32.mul
      local.get $sum
      i32x4.extract_lane 1
      local.get $start
      i32.mul
      i32.add
      local.get $inHalves
      select
      i32x4.splat
      v128.store
      local.get $length
      i32.const 0
      i32.gt_s
      br_if 0
    end
  end
)
