(func $floatFoldLines (param $outputs i32) (param $sums i32) (param $out i32) (param $first i32) (param $tail i32)
  (local $chain0 v128)
  (local $chain1 v128)
  (local $chain2 v128)
  (local $chain3 v128)
  (local $held v128)
  (local $total v128)
  (local $mask v128)
  local.get $first
  i32.const 1
  i32.sub
  i32x4.splat
  local.set $mask
  local.get $outputs
  i32.const 4
  i32.ge_s
  if
    loop
      local.get $out
      v128.load
      local.set $held
      local.get $sums
      v128.load
      local.set $chain0
      local.get $sums
      v128.load offset=4096
      local.set $chain1
      local.get $sums
      v128.load offset=8192
      local.set $chain2
      local.get $sums
      v128.load offset=12288
      local.set $chain3
      local.get $tail
      if
        i32.const 1
        local.get $tail
        i32.ge_s
        if
          local.get $chain1
          v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
          f32x4.add
          local.set $chain1
        end
        i32.const 2
        local.get $tail
        i32.ge_s
        if
          local.get $chain2
          v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
          f32x4.add
          local.set $chain2
        end
        i32.const 3
        local.get $tail
        i32.ge_s
        if
          local.get $chain3
          v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
          f32x4.add
          local.set $chain3
        end
      end
      local.get $held
      local.get $mask
      v128.and
      local.get $chain0
      local.get $chain2
      f32x4.add
      local.get $chain1
      local.get $chain3
      f32x4.add
      f32x4.add
      f32x4.add
      local.set $total
      local.get $out
      local.get $total
      v128.store
      local.get $sums
      i32.const 16
      i32.add
      local.set $sums
      local.get $out
      i32.const 16
      i32.add
      local.set $out
      local.get $outputs
      i32.const -4
      i32.add
      local.set $outputs
      local.get $outputs
      i32.const 4
      i32.ge_s
      br_if 0
    end
  end
  local.get $outputs
  if
    local.get $outputs
    i32.const 2
    i32.and
    if
      local.get $out
      v128.load64_zero
      local.set $held
      local.get $outputs
      i32.const 1
      i32.and
      if
        local.get $out
        local.get $held
        v128.load32_lane offset=8 2
        local.set $held
      end
    else
      local.get $out
      v128.load32_zero
      local.set $held
    end
    local.get $sums
    v128.load
    local.set $chain0
    local.get $sums
    v128.load offset=4096
    local.set $chain1
    local.get $sums
    v128.load offset=8192
    local.set $chain2
    local.get $sums
    v128.load offset=12288
    local.set $chain3
    local.get $tail
    if
      i32.const 1
      local.get $tail
      i32.ge_s
      if
        local.get $chain1
        v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
        f32x4.add
        local.set $chain1
      end
      i32.const 2
      local.get $tail
      i32.ge_s
      if
        local.get $chain2
        v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
        f32x4.add
        local.set $chain2
      end
      i32.const 3
      local.get $tail
      i32.ge_s
      if
        local.get $chain3
        v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
        f32x4.add
        local.set $chain3
      end
    end
    local.get $held
    local.get $mask
    v128.and
    local.get $chain0
    local.get $chain2
    f32x4.add
    local.get $chain1
    local.get $chain3
    f32x4.add
    f32x4.add
    f32x4.add
    local.set $total
    local.get $outputs
    i32.const 2
    i32.and
    if
      local.get $out
      local.get $total
      v128.store64_lane 0
      local.get $outputs
      i32.const 1
      i32.and
      if
        local.get $out
        local.get $total
        v128.store32_lane offset=8 2
      end
    else
      local.get $out
      local.get $total
      v128.store32_lane 0
    end
  end
)
