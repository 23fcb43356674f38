(func $floatLines1 (param $outputs i32) (param $a i32) (param $aStep i32) (param $b i32) (param $bStep i32) (param $sums i32)
  (local $b0 i32)
  (local $value0 v128)
  (local $sum v128)
  (local $line v128)
  local.get $b
  local.set $b0
  local.get $a
  v128.load32_splat
  local.set $value0
  local.get $a
  local.get $aStep
  i32.add
  local.set $a
  local.get $outputs
  i32.const 4
  i32.ge_s
  if
    loop
      local.get $sums
      v128.load
      local.set $sum
      local.get $sum
      local.get $b0
      v128.load
      local.get $value0
      f32x4.mul
      f32x4.add
      local.set $sum
      local.get $sums
      local.get $sum
      v128.store
      local.get $sums
      i32.const 16
      i32.add
      local.set $sums
      local.get $b0
      i32.const 16
      i32.add
      local.set $b0
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
    local.get $sums
    v128.load
    local.set $sum
    local.get $outputs
    i32.const 2
    i32.and
    if
      local.get $b0
      v128.load64_zero
      local.set $line
      local.get $outputs
      i32.const 1
      i32.and
      if
        local.get $b0
        local.get $line
        v128.load32_lane offset=8 2
        local.set $line
      end
    else
      local.get $b0
      v128.load32_zero
      local.set $line
    end
    local.get $sum
    local.get $line
    local.get $value0
    f32x4.mul
    f32x4.add
    local.set $sum
    local.get $sums
    local.get $sum
    v128.store
  end
)
