(func $floatDirect1 (param $K i32) (param $x i32) (param $xR i32) (param $w i32) (param $wR i32) (param $out i32) (param $outR i32) (param $count i32) (param $first i32)
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
  (local $x0 i32)
  (local $w0 i32)
  (local $w1 i32)
  (local $w2 i32)
  (local $w3 i32)
  (local $left i32)
  local.get $out
  local.set $out0
  local.get $x
  local.set $x0
  local.get $w
  local.set $w0
  local.get $w0
  local.get $wR
  i32.add
  local.get $w0
  local.get $count
  i32.const 1
  i32.gt_s
  select
  local.set $w1
  local.get $w1
  local.get $wR
  i32.add
  local.get $w1
  local.get $count
  i32.const 2
  i32.gt_s
  select
  local.set $w2
  local.get $w2
  local.get $wR
  i32.add
  local.get $w2
  local.get $count
  i32.const 3
  i32.gt_s
  select
  local.set $w3
  loop
    v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
    local.set $sum00
    v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
    local.set $sum01
    v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
    local.set $sum02
    v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
    local.set $sum03
    local.get $K
    i32.const 512
    local.get $K
    i32.const 512
    i32.lt_s
    select
    local.set $left
    local.get $K
    local.get $left
    i32.sub
    local.set $K
    local.get $left
    i32.const 4
    i32.ge_s
    if
      loop
        local.get $x0
        v128.load
        local.set $value0
        local.get $w0
        v128.load
        local.set $weight0
        local.get $w1
        v128.load
        local.set $weight1
        local.get $w2
        v128.load
        local.set $weight2
        local.get $w3
        v128.load
        local.set $weight3
        local.get $value0
        local.get $weight0
        local.get $sum00
        f32x4.relaxed_madd
        local.set $sum00
        local.get $value0
        local.get $weight1
        local.get $sum01
        f32x4.relaxed_madd
        local.set $sum01
        local.get $value0
        local.get $weight2
        local.get $sum02
        f32x4.relaxed_madd
        local.set $sum02
        local.get $value0
        local.get $weight3
        local.get $sum03
        f32x4.relaxed_madd
        local.set $sum03
        local.get $x0
        i32.const 16
        i32.add
        local.set $x0
        local.get $w0
        i32.const 16
        i32.add
        local.set $w0
        local.get $w1
        i32.const 16
        i32.add
        local.set $w1
        local.get $w2
        i32.const 16
        i32.add
        local.set $w2
        local.get $w3
        i32.const 16
        i32.add
        local.set $w3
        local.get $left
        i32.const -4
        i32.add
        local.set $left
        local.get $left
        i32.const 4
        i32.ge_s
        br_if 0
      end
    end
    local.get $left
    if
      local.get $left
      i32.const 2
      i32.and
      if
        local.get $x0
        v128.load64_zero
        local.set $value0
        local.get $left
        i32.const 1
        i32.and
        if
          local.get $x0
          local.get $value0
          v128.load32_lane offset=8 2
          local.set $value0
        end
      else
        local.get $x0
        v128.load32_zero
        local.set $value0
      end
      local.get $left
      i32.const 2
      i32.and
      if
        local.get $w0
        v128.load64_zero
        local.set $weight0
        local.get $left
        i32.const 1
        i32.and
        if
          local.get $w0
          local.get $weight0
          v128.load32_lane offset=8 2
          local.set $weight0
        end
      else
        local.get $w0
        v128.load32_zero
        local.set $weight0
      end
      local.get $left
      i32.const 2
      i32.and
      if
        local.get $w1
        v128.load64_zero
        local.set $weight1
        local.get $left
        i32.const 1
        i32.and
        if
          local.get $w1
          local.get $weight1
          v128.load32_lane offset=8 2
          local.set $weight1
        end
      else
        local.get $w1
        v128.load32_zero
        local.set $weight1
      end
      local.get $left
      i32.const 2
      i32.and
      if
        local.get $w2
        v128.load64_zero
        local.set $weight2
        local.get $left
        i32.const 1
        i32.and
        if
          local.get $w2
          local.get $weight2
          v128.load32_lane offset=8 2
          local.set $weight2
        end
      else
        local.get $w2
        v128.load32_zero
        local.set $weight2
      end
      local.get $left
      i32.const 2
      i32.and
      if
        local.get $w3
        v128.load64_zero
        local.set $weight3
        local.get $left
        i32.const 1
        i32.and
        if
          local.get $w3
          local.get $weight3
          v128.load32_lane offset=8 2
          local.set $weight3
        end
      else
        local.get $w3
        v128.load32_zero
        local.set $weight3
      end
      local.get $value0
      local.get $weight0
      local.get $sum00
      f32x4.relaxed_madd
      local.set $sum00
      local.get $value0
      local.get $weight1
      local.get $sum01
      f32x4.relaxed_madd
      local.set $sum01
      local.get $value0
      local.get $weight2
      local.get $sum02
      f32x4.relaxed_madd
      local.set $sum02
      local.get $value0
      local.get $weight3
      local.get $sum03
      f32x4.relaxed_madd
      local.set $sum03
    end
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
    i32.const 0
    local.set $first
    local.get $K
    br_if 0
  end
)
