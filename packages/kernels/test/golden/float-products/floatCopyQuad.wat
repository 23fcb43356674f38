(func $floatCopyQuad (param $steps i32) (param $from i32) (param $rowBytes i32) (param $to i32) (param $second i32) (param $step i32)
  (local $row1 i32)
  (local $row2 i32)
  (local $row3 i32)
  (local $value0 v128)
  (local $value1 v128)
  (local $value2 v128)
  (local $value3 v128)
  local.get $from
  local.get $rowBytes
  i32.add
  local.set $row1
  local.get $row1
  local.get $rowBytes
  i32.add
  local.set $row2
  local.get $row2
  local.get $rowBytes
  i32.add
  local.set $row3
  local.get $steps
  i32.const 0
  i32.gt_s
  if
    loop
      local.get $from
      v128.load
      local.set $value0
      local.get $row1
      v128.load
      local.set $value1
      local.get $row2
      v128.load
      local.set $value2
      local.get $row3
      v128.load
      local.set $value3
      local.get $to
      local.get $value0
      v128.store
      local.get $to
      local.get $value1
      v128.store offset=16
      local.get $second
      local.get $value2
      v128.store
      local.get $second
      local.get $value3
      v128.store offset=16
      local.get $from
      i32.const 16
      i32.add
      local.set $from
      local.get $row1
      i32.const 16
      i32.add
      local.set $row1
      local.get $row2
      i32.const 16
      i32.add
      local.set $row2
      local.get $row3
      i32.const 16
      i32.add
      local.set $row3
      local.get $to
      local.get $step
      i32.add
      local.set $to
      local.get $second
      local.get $step
      i32.add
      local.set $second
      local.get $steps
      i32.const -1
      i32.add
      local.set $steps
      local.get $steps
      i32.const 0
      i32.gt_s
      br_if 0
    end
  end
)
