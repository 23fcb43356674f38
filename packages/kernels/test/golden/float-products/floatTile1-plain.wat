(func $floatTile1 (param $steps i32) (param $left i32) (param $right i32) (param $out i32) (param $outR i32) (param $count i32) (param $first i32) (param $spare i32)
  (local $value0 v128)
  (local $weight0 v128)
  (local $weight1 v128)
  (local $weight2 v128)
  (local $weight3 v128)
  (local $sum00 v128)
  (local $sum01 v128)
  (local $sum02 v128)
  (local $sum03 v128)
  (local $total v128)
  (local $out0 i32)
  v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
  local.set $sum00
  v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
  local.set $sum01
  v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
  local.set $sum02
  v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
  local.set $sum03
  loop
    local.get $left
    v128.load
    local.set $value0
    local.get $right
    v128.load
    local.set $weight0
    local.get $right
    v128.load offset=16
    local.set $weight1
    local.get $right
    v128.load offset=32
    local.set $weight2
    local.get $right
    v128.load offset=48
    local.set $weight3
    local.get $sum00
    local.get $value0
    local.get $weight0
    f32x4.mul
    f32x4.add
    local.set $sum00
    local.get $sum01
    local.get $value0
    local.get $weight1
    f32x4.mul
    f32x4.add
    local.set $sum01
    local.get $sum02
    local.get $value0
    local.get $weight2
    f32x4.mul
    f32x4.add
    local.set $sum02
    local.get $sum03
    local.get $value0
    local.get $weight3
    f32x4.mul
    f32x4.add
    local.set $sum03
    local.get $left
    i32.const 32
    i32.add
    local.set $left
    local.get $right
    i32.const 64
    i32.add
    local.set $right
    local.get $steps
    i32.const -1
    i32.add
    local.set $steps
    local.get $steps
    br_if 0
  end
  local.get $spare
  local.get $sum00
  v128.store
  local.get $spare
  local.get $sum01
  v128.store offset=16
  local.get $spare
  local.get $sum02
  v128.store offset=32
  local.get $spare
  local.get $sum03
  v128.store offset=48
  local.get $spare
  v128.load
  local.set $sum00
  local.get $spare
  v128.load offset=16
  local.set $sum01
  local.get $spare
  v128.load offset=32
  local.set $sum02
  local.get $spare
  v128.load offset=48
  local.set $sum03
  local.get $out
  local.set $out0
  local.get $sum00
  local.get $sum01
  i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23
  local.get $sum00
  local.get $sum01
  i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
  f32x4.add
  local.get $sum02
  local.get $sum03
  i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23
  local.get $sum02
  local.get $sum03
  i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
  f32x4.add
  i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
  local.get $sum00
  local.get $sum01
  i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23
  local.get $sum00
  local.get $sum01
  i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
  f32x4.add
  local.get $sum02
  local.get $sum03
  i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23
  local.get $sum02
  local.get $sum03
  i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
  f32x4.add
  i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
  f32x4.add
  local.set $sum00
  local.get $count
  i32.const 4
  i32.ge_s
  if
    local.get $out0
    v128.load
    local.set $total
    local.get $out0
    local.get $total
    local.get $first
    i32.const 1
    i32.sub
    i32x4.splat
    v128.and
    local.get $sum00
    f32x4.add
    v128.store
  else
    local.get $count
    i32.const 2
    i32.and
    if
      local.get $out0
      v128.load64_zero
      local.set $total
      local.get $count
      i32.const 1
      i32.and
      if
        local.get $out0
        local.get $total
        v128.load32_lane offset=8 2
        local.set $total
      end
    else
      local.get $out0
      v128.load32_zero
      local.set $total
    end
    local.get $total
    local.get $first
    i32.const 1
    i32.sub
    i32x4.splat
    v128.and
    local.get $sum00
    f32x4.add
    local.set $total
    local.get $count
    i32.const 2
    i32.and
    if
      local.get $out0
      local.get $total
      v128.store64_lane 0
      local.get $count
      i32.const 1
      i32.and
      if
        local.get $out0
        local.get $total
        v128.store32_lane offset=8 2
      end
    else
      local.get $out0
      local.get $total
      v128.store32_lane 0
    end
  end
)
