(func $floatCopyRow (param $columns i32) (param $from i32) (param $to i32) (param $step i32)
  (local $tail v128)
  local.get $columns
  i32.const 4
  i32.ge_s
  if
    loop
      local.get $to
      local.get $from
      v128.load
      v128.store
      local.get $from
      i32.const 16
      i32.add
      local.set $from
      local.get $to
      local.get $step
      i32.add
      local.set $to
      local.get $columns
      i32.const -4
      i32.add
      local.set $columns
      local.get $columns
      i32.const 4
      i32.ge_s
      br_if 0
    end
  end
  local.get $columns
  if
    local.get $columns
    i32.const 2
    i32.and
    if
      local.get $from
      v128.load64_zero
      local.set $tail
      local.get $columns
      i32.const 1
      i32.and
      if
        local.get $from
        local.get $tail
        v128.load32_lane offset=8 2
        local.set $tail
      end
    else
      local.get $from
      v128.load32_zero
      local.set $tail
    end
    local.get $to
    local.get $tail
    v128.store
  end
)
