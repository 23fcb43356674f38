(func $floatPack4 (param $rows i32) (param $columns i32) (param $from i32) (param $rowBytes i32) (param $columnBytes i32) (param $to i32)
  (local $panelBytes i32)
  (local $row i32)
  (local $count i32)
  (local $target i32)
  (local $wholeRows i32)
  (local $skipped i32)
  (local $left i32)
  local.get $columns
  i32.const 3
  i32.add
  i32.const 2
  i32.shr_u
  i32.const 64
  i32.mul
  local.set $panelBytes
  local.get $rows
  i32.const -4
  i32.and
  local.set $wholeRows
  local.get $columnBytes
  i32.const 4
  i32.eq
  if
    local.get $row
    local.get $wholeRows
    i32.lt_s
    if
      loop
        local.get $wholeRows
        local.get $row
        i32.sub
        i32.const 4
        local.get $wholeRows
        local.get $row
        i32.sub
        i32.const 4
        i32.lt_s
        select
        local.set $count
        local.get $to
        local.get $row
        i32.const 2
        i32.shr_u
        local.get $panelBytes
        i32.mul
        i32.add
        local.set $target
        local.get $columns
        i32.const 2
        i32.shr_u
        local.get $from
        local.get $rowBytes
        local.get $row
        i32.mul
        i32.add
        local.get $rowBytes
        local.get $target
        local.get $target
        i32.const 32
        i32.add
        i32.const 64
        call $floatCopyQuad
        local.get $row
        local.get $count
        i32.add
        local.set $row
        local.get $row
        local.get $wholeRows
        i32.lt_s
        br_if 0
      end
    end
  else
    local.get $rowBytes
    i32.const 4
    i32.eq
    if
      local.get $row
      local.get $wholeRows
      i32.lt_s
      if
        loop
          local.get $wholeRows
          local.get $row
          i32.sub
          i32.const 64
          local.get $wholeRows
          local.get $row
          i32.sub
          i32.const 64
          i32.lt_s
          select
          local.set $count
          local.get $to
          local.get $row
          i32.const 2
          i32.shr_u
          local.get $panelBytes
          i32.mul
          i32.add
          local.set $target
          local.get $count
          i32.const 2
          i32.shr_u
          local.get $columns
          i32.const 2
          i32.shr_u
          local.get $from
          local.get $row
          i32.const 4
          i32.mul
          i32.add
          local.get $columnBytes
          local.get $target
          local.get $target
          i32.const 32
          i32.add
          i32.const 64
          local.get $panelBytes
          i32.const 1
          i32.mul
          call $floatTransposeLines
          local.get $row
          local.get $count
          i32.add
          local.set $row
          local.get $row
          local.get $wholeRows
          i32.lt_s
          br_if 0
        end
      end
    else
      i32.const 0
      local.set $wholeRows
    end
  end
  i32.const 0
  local.set $row
  local.get $row
  local.get $rows
  i32.lt_s
  if
    loop
      local.get $columns
      i32.const -4
      i32.and
      i32.const 0
      local.get $row
      local.get $wholeRows
      i32.lt_s
      select
      local.set $skipped
      local.get $columns
      local.get $skipped
      i32.sub
      local.set $left
      local.get $left
      if
        local.get $to
        local.get $row
        i32.const 2
        i32.shr_u
        local.get $panelBytes
        i32.mul
        i32.add
        local.get $row
        i32.const 3
        i32.and
        i32.const 16
        i32.mul
        i32.add
        local.set $target
        local.get $target
        local.get $skipped
        i32.const 16
        i32.mul
        i32.add
        local.set $target
        local.get $columnBytes
        i32.const 4
        i32.eq
        if
          local.get $left
          local.get $from
          local.get $skipped
          local.get $columnBytes
          i32.mul
          i32.add
          local.get $target
          i32.const 64
          call $floatCopyRow
        else
          local.get $left
          local.get $from
          local.get $skipped
          local.get $columnBytes
          i32.mul
          i32.add
          local.get $columnBytes
          local.get $target
          i32.const 64
          call $floatGatherRow
        end
      end
      local.get $from
      local.get $rowBytes
      i32.add
      local.set $from
      local.get $row
      i32.const 1
      i32.add
      local.set $row
      local.get $row
      local.get $rows
      i32.lt_s
      br_if 0
    end
  end
)
