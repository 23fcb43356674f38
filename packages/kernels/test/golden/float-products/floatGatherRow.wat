(func $floatGatherRow (param $columns i32) (param $from i32) (param $columnBytes i32) (param $to i32) (param $step i32)
  (local $value v128)
  local.get $columns
  i32.const 0
  i32.gt_s
  if
    loop
      local.get $from
      v128.load32_zero
      local.set $value
      local.get $columns
      i32.const 1
      i32.gt_s
      if
        local.get $from
        local.get $columnBytes
        i32.add
        local.set $from
        local.get $from
        local.get $value
        v128.load32_lane 1
        local.set $value
      end
      local.get $columns
      i32.const 2
      i32.gt_s
      if
        local.get $from
        local.get $columnBytes
        i32.add
        local.set $from
        local.get $from
        local.get $value
        v128.load32_lane 2
        local.set $value
      end
      local.get $columns
      i32.const 3
      i32.gt_s
      if
        local.get $from
        local.get $columnBytes
        i32.add
        local.set $from
        local.get $from
        local.get $value
        v128.load32_lane 3
        local.set $value
      end
      local.get $to
      local.get $value
      v128.store
      local.get $from
      local.get $columnBytes
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
      i32.const 0
      i32.gt_s
      br_if 0
    end
  end
)
