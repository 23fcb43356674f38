(func $floatTransposeLines (param $quads i32) (param $steps i32) (param $from i32) (param $columnBytes i32) (param $to i32) (param $second i32) (param $step i32) (param $quadBytes i32)
  (local $column0 i32)
  (local $column1 i32)
  (local $column2 i32)
  (local $column3 i32)
  (local $target0 i32)
  (local $target1 i32)
  (local $value0 v128)
  (local $value1 v128)
  (local $value2 v128)
  (local $value3 v128)
  (local $pair0 v128)
  (local $pair1 v128)
  (local $pair2 v128)
  (local $pair3 v128)
  (local $left i32)
  local.get $steps
  i32.const 0
  i32.gt_s
  if
    loop
      local.get $from
      local.set $column0
      local.get $column0
      local.get $columnBytes
      i32.add
      local.set $column1
      local.get $column1
      local.get $columnBytes
      i32.add
      local.set $column2
      local.get $column2
      local.get $columnBytes
      i32.add
      local.set $column3
      local.get $to
      local.set $target0
      local.get $second
      local.set $target1
      local.get $quads
      local.set $left
      local.get $left
      if
        loop
          local.get $column0
          v128.load
          local.set $value0
          local.get $column1
          v128.load
          local.set $value1
          local.get $column2
          v128.load
          local.set $value2
          local.get $column3
          v128.load
          local.set $value3
          local.get $value0
          local.get $value1
          i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23
          local.set $pair0
          local.get $value2
          local.get $value3
          i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23
          local.set $pair1
          local.get $value0
          local.get $value1
          i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
          local.set $pair2
          local.get $value2
          local.get $value3
          i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
          local.set $pair3
          local.get $pair0
          local.get $pair1
          i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
          local.set $value0
          local.get $pair0
          local.get $pair1
          i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
          local.set $value1
          local.get $pair2
          local.get $pair3
          i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
          local.set $value2
          local.get $pair2
          local.get $pair3
          i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31
          local.set $value3
          local.get $target0
          local.get $value0
          v128.store
          local.get $target0
          local.get $value1
          v128.store offset=16
          local.get $target1
          local.get $value2
          v128.store
          local.get $target1
          local.get $value3
          v128.store offset=16
          local.get $column0
          i32.const 16
          i32.add
          local.set $column0
          local.get $column1
          i32.const 16
          i32.add
          local.set $column1
          local.get $column2
          i32.const 16
          i32.add
          local.set $column2
          local.get $column3
          i32.const 16
          i32.add
          local.set $column3
          local.get $target0
          local.get $quadBytes
          i32.add
          local.set $target0
          local.get $target1
          local.get $quadBytes
          i32.add
          local.set $target1
          local.get $left
          i32.const -1
          i32.add
          local.set $left
          local.get $left
          br_if 0
        end
      end
      local.get $from
      local.get $columnBytes
      i32.const 4
      i32.mul
      i32.add
      local.set $from
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
