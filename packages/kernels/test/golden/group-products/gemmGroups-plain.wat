(func $gemmGroups (export "gemmGroups") (param $bits i32) (param $group i32) (param $M i32) (param $N i32) (param $K i32) (param $x i32) (param $xR i32) (param $xScale i32) (param $xScaleR i32) (param $w i32) (param $out i32) (param $outR i32) (param $flags i32) (param $scratch i32)
  (local $unitColumns i32)
  (local $unitBytes i32)
  (local $groups i32)
  (local $length i32)
  (local $groupUnits i32)
  (local $groupBytes i32)
  (local $before i32)
  (local $lastUnits i32)
  (local $blockStride i32)
  (local $usePanel i32)
  (local $rowTokens i32)
  (local $chunkGroups i32)
  (local $g i32)
  (local $count i32)
  (local $units i32)
  (local $start i32)
  (local $columns i32)
  (local $weights i32)
  (local $chunkFlags i32)
  (local $m i32)
  (local $most i32)
  (local $tokens i32)
  (local $quads i32)
  (local $tileBytes i32)
  (local $startBytes i32)
  (local $slot i32)
  (local $token i32)
  (local $n i32)
  (local $rows i32)
  (local $block i32)
  (local $outputs i32)
  (local $scale i32)
  (local $isLong i32)
  i32.const 16
  i32.const 32
  i32.const 8
  i32.const 32
  i32.const 16
  i32.const 4
  local.get $bits
  i32.const 6
  i32.eq
  select
  local.get $bits
  i32.const 5
  i32.eq
  select
  local.get $bits
  i32.const 4
  i32.eq
  select
  local.get $bits
  i32.const 3
  i32.eq
  select
  local.get $bits
  i32.const 2
  i32.eq
  select
  local.set $unitColumns
  i32.const 64
  i32.const 192
  i32.const 64
  i32.const 320
  i32.const 192
  i32.const 64
  local.get $bits
  i32.const 6
  i32.eq
  select
  local.get $bits
  i32.const 5
  i32.eq
  select
  local.get $bits
  i32.const 4
  i32.eq
  select
  local.get $bits
  i32.const 3
  i32.eq
  select
  local.get $bits
  i32.const 2
  i32.eq
  select
  local.set $unitBytes
  local.get $K
  local.get $group
  i32.const 1
  i32.sub
  i32.add
  local.get $group
  i32.div_s
  local.set $groups
  local.get $group
  local.get $K
  local.get $group
  local.get $K
  i32.lt_s
  select
  local.set $length
  local.get $length
  local.get $unitColumns
  i32.const 1
  i32.sub
  i32.add
  local.get $unitColumns
  i32.div_u
  local.set $groupUnits
  local.get $groupUnits
  local.get $unitBytes
  i32.mul
  i32.const 32
  i32.add
  local.set $groupBytes
  local.get $groups
  i32.const 1
  i32.sub
  local.set $before
  local.get $K
  local.get $before
  local.get $group
  i32.mul
  i32.sub
  local.get $unitColumns
  i32.const 1
  i32.sub
  i32.add
  local.get $unitColumns
  i32.div_u
  local.set $lastUnits
  local.get $before
  local.get $groupBytes
  i32.mul
  local.get $lastUnits
  local.get $unitBytes
  i32.mul
  i32.const 32
  i32.add
  i32.add
  local.set $blockStride
  local.get $M
  i32.const 5
  i32.ge_s
  local.get $length
  i32.const 8192
  i32.le_s
  i32.and
  local.set $usePanel
  i32.const 4
  i32.const 1
  local.get $length
  i32.const 4096
  i32.le_s
  select
  local.set $rowTokens
  i32.const 1024
  i32.const 16384
  i32.const 4096
  local.get $M
  i32.const 1
  i32.eq
  select
  local.get $usePanel
  select
  local.get $group
  i32.div_u
  i32.const 1
  i32.const 1024
  i32.const 16384
  i32.const 4096
  local.get $M
  i32.const 1
  i32.eq
  select
  local.get $usePanel
  select
  local.get $group
  i32.div_u
  i32.const 1
  i32.gt_s
  select
  local.set $chunkGroups
  i32.const 0
  local.set $g
  local.get $length
  i32.const 65536
  i32.const 65536
  i32.const 4096
  i32.const 65536
  i32.const 65536
  i32.const 256
  local.get $bits
  i32.const 6
  i32.eq
  select
  local.get $bits
  i32.const 5
  i32.eq
  select
  local.get $bits
  i32.const 4
  i32.eq
  select
  local.get $bits
  i32.const 3
  i32.eq
  select
  local.get $bits
  i32.const 2
  i32.eq
  select
  i32.gt_s
  local.set $isLong
  loop
    local.get $chunkGroups
    local.get $groups
    local.get $g
    i32.sub
    local.get $chunkGroups
    local.get $groups
    local.get $g
    i32.sub
    i32.lt_s
    select
    local.set $count
    local.get $g
    local.get $group
    i32.mul
    local.set $start
    local.get $K
    local.get $g
    local.get $count
    i32.add
    local.get $group
    i32.mul
    local.get $K
    local.get $g
    local.get $count
    i32.add
    local.get $group
    i32.mul
    i32.lt_s
    select
    local.get $start
    i32.sub
    local.set $columns
    local.get $w
    local.get $g
    local.get $groupBytes
    i32.mul
    i32.add
    local.set $weights
    i32.const 1
    local.get $flags
    i32.const 1
    i32.and
    local.get $g
    select
    local.set $chunkFlags
    local.get $groupUnits
    local.set $units
    local.get $g
    local.get $count
    i32.add
    local.get $groups
    i32.ge_s
    if
      local.get $lastUnits
      local.set $units
      local.get $chunkFlags
      local.get $flags
      i32.const 2
      i32.and
      i32.or
      local.set $chunkFlags
    end
    local.get $count
    i32.const 1
    i32.sub
    local.get $groupUnits
    i32.mul
    local.get $units
    i32.add
    local.get $unitColumns
    i32.const 2
    i32.shr_u
    i32.mul
    local.set $quads
    i32.const 0
    local.set $m
    local.get $usePanel
    if
      local.get $quads
      i32.const 1
      i32.add
      i32.const 32
      i32.mul
      local.set $tileBytes
      local.get $count
      i32.const 16
      i32.mul
      local.set $startBytes
      i32.const 131072
      local.get $tileBytes
      i32.div_u
      i32.const 4
      i32.mul
      local.set $most
      local.get $most
      i32.const 64
      local.get $most
      i32.const 64
      i32.lt_s
      select
      i32.const 4
      local.get $most
      i32.const 64
      local.get $most
      i32.const 64
      i32.lt_s
      select
      i32.const 4
      i32.gt_s
      select
      local.set $most
      local.get $m
      local.get $M
      i32.lt_s
      if
        loop
          local.get $most
          local.get $M
          local.get $m
          i32.sub
          local.get $most
          local.get $M
          local.get $m
          i32.sub
          i32.lt_s
          select
          local.set $tokens
          local.get $x
          local.get $m
          local.get $xR
          i32.mul
          i32.add
          local.get $start
          i32.add
          local.get $xR
          local.get $tokens
          local.get $columns
          local.get $group
          local.get $unitColumns
          local.get $scratch
          i32.const 45056
          i32.add
          local.get $tileBytes
          i32.const -2
          i32.const -4
          i32.const -8
          i32.const -16
          i32.const -32
          i32.const 0
          local.get $bits
          i32.const 6
          i32.eq
          select
          local.get $bits
          i32.const 5
          i32.eq
          select
          local.get $bits
          i32.const 4
          i32.eq
          select
          local.get $bits
          i32.const 3
          i32.eq
          select
          local.get $bits
          i32.const 2
          i32.eq
          select
          local.get $groupUnits
          i32.const 8
          i32.const 16
          i32.const 4
          i32.const 16
          i32.const 8
          i32.const 2
          local.get $bits
          i32.const 6
          i32.eq
          select
          local.get $bits
          i32.const 5
          i32.eq
          select
          local.get $bits
          i32.const 4
          i32.eq
          select
          local.get $bits
          i32.const 3
          i32.eq
          select
          local.get $bits
          i32.const 2
          i32.eq
          select
          i32.mul
          i32.const 32
          i32.const 16
          i32.const 8
          i32.const 4
          i32.const 2
          i32.const 0
          local.get $bits
          i32.const 6
          i32.eq
          select
          local.get $bits
          i32.const 5
          i32.eq
          select
          local.get $bits
          i32.const 4
          i32.eq
          select
          local.get $bits
          i32.const 3
          i32.eq
          select
          local.get $bits
          i32.const 2
          i32.eq
          select
          i32.le_s
          local.get $scratch
          i32.const 12288
          i32.add
          local.get $startBytes
          call $preparePanel_pairs
          local.get $bits
          local.get $weights
          local.get $blockStride
          local.get $count
          local.get $groupUnits
          local.get $units
          local.get $groupUnits
          i32.const 8
          i32.const 16
          i32.const 4
          i32.const 16
          i32.const 8
          i32.const 2
          local.get $bits
          i32.const 6
          i32.eq
          select
          local.get $bits
          i32.const 5
          i32.eq
          select
          local.get $bits
          i32.const 4
          i32.eq
          select
          local.get $bits
          i32.const 3
          i32.eq
          select
          local.get $bits
          i32.const 2
          i32.eq
          select
          i32.mul
          local.get $units
          i32.const 8
          i32.const 16
          i32.const 4
          i32.const 16
          i32.const 8
          i32.const 2
          local.get $bits
          i32.const 6
          i32.eq
          select
          local.get $bits
          i32.const 5
          i32.eq
          select
          local.get $bits
          i32.const 4
          i32.eq
          select
          local.get $bits
          i32.const 3
          i32.eq
          select
          local.get $bits
          i32.const 2
          i32.eq
          select
          i32.mul
          i32.const 32
          i32.const 16
          i32.const 8
          i32.const 4
          i32.const 2
          i32.const 0
          local.get $bits
          i32.const 6
          i32.eq
          select
          local.get $bits
          i32.const 5
          i32.eq
          select
          local.get $bits
          i32.const 4
          i32.eq
          select
          local.get $bits
          i32.const 3
          i32.eq
          select
          local.get $bits
          i32.const 2
          i32.eq
          select
          local.get $scratch
          i32.const 45056
          i32.add
          local.get $tileBytes
          local.get $scratch
          i32.const 12288
          i32.add
          local.get $startBytes
          local.get $tokens
          local.get $N
          local.get $out
          local.get $m
          local.get $outR
          i32.mul
          i32.add
          local.get $outR
          local.get $xScale
          local.get $m
          local.get $xScaleR
          i32.mul
          i32.add
          local.get $xScaleR
          local.get $chunkFlags
          local.get $scratch
          i32.const 176384
          i32.add
          local.get $quads
          i32.const 64
          i32.mul
          local.get $scratch
          i32.const 4096
          i32.add
          local.get $scratch
          i32.const 0
          i32.add
          call $gemmPanel_pairs
          local.get $m
          local.get $tokens
          i32.add
          local.set $m
          local.get $m
          local.get $M
          i32.lt_s
          br_if 0
        end
      end
    else
      local.get $m
      local.get $M
      i32.lt_s
      if
        loop
          local.get $rowTokens
          local.get $M
          local.get $m
          i32.sub
          local.get $rowTokens
          local.get $M
          local.get $m
          i32.sub
          i32.lt_s
          select
          local.set $tokens
          i32.const 0
          local.set $token
          local.get $scratch
          i32.const 64
          i32.add
          local.set $slot
          local.get $token
          local.get $tokens
          i32.lt_s
          if
            loop
              local.get $bits
              i32.const 2
              i32.eq
              if
                local.get $x
                local.get $m
                local.get $xR
                i32.mul
                i32.add
                local.get $start
                i32.add
                local.get $token
                local.get $xR
                i32.mul
                i32.add
                local.get $columns
                local.get $group
                local.get $unitColumns
                local.get $slot
                i32.const -2
                i32.const -4
                i32.const -8
                i32.const -16
                i32.const -32
                i32.const 0
                local.get $bits
                i32.const 6
                i32.eq
                select
                local.get $bits
                i32.const 5
                i32.eq
                select
                local.get $bits
                i32.const 4
                i32.eq
                select
                local.get $bits
                i32.const 3
                i32.eq
                select
                local.get $bits
                i32.const 2
                i32.eq
                select
                i32.const -2
                i32.const -4
                i32.const -2048
                i32.const -16
                i32.const -32
                i32.const 0
                local.get $bits
                i32.const 6
                i32.eq
                select
                local.get $bits
                i32.const 5
                i32.eq
                select
                local.get $bits
                i32.const 4
                i32.eq
                select
                local.get $bits
                i32.const 3
                i32.eq
                select
                local.get $bits
                i32.const 2
                i32.eq
                select
                local.get $isLong
                select
                i32.const 0
                local.get $isLong
                i32.gt_s
                call $prepareRow_pairs
              else
                local.get $bits
                i32.const 3
                i32.eq
                if
                  local.get $x
                  local.get $m
                  local.get $xR
                  i32.mul
                  i32.add
                  local.get $start
                  i32.add
                  local.get $token
                  local.get $xR
                  i32.mul
                  i32.add
                  local.get $columns
                  local.get $group
                  local.get $unitColumns
                  local.get $slot
                  i32.const -2
                  i32.const -4
                  i32.const -8
                  i32.const -16
                  i32.const -32
                  i32.const 0
                  local.get $bits
                  i32.const 6
                  i32.eq
                  select
                  local.get $bits
                  i32.const 5
                  i32.eq
                  select
                  local.get $bits
                  i32.const 4
                  i32.eq
                  select
                  local.get $bits
                  i32.const 3
                  i32.eq
                  select
                  local.get $bits
                  i32.const 2
                  i32.eq
                  select
                  i32.const -2
                  i32.const -4
                  i32.const -2048
                  i32.const -16
                  i32.const -32
                  i32.const 0
                  local.get $bits
                  i32.const 6
                  i32.eq
                  select
                  local.get $bits
                  i32.const 5
                  i32.eq
                  select
                  local.get $bits
                  i32.const 4
                  i32.eq
                  select
                  local.get $bits
                  i32.const 3
                  i32.eq
                  select
                  local.get $bits
                  i32.const 2
                  i32.eq
                  select
                  local.get $isLong
                  select
                  i32.const 0
                  local.get $isLong
                  i32.gt_s
                  call $prepareRow_pairs
                else
                  local.get $bits
                  i32.const 4
                  i32.eq
                  if
                    local.get $x
                    local.get $m
                    local.get $xR
                    i32.mul
                    i32.add
                    local.get $start
                    i32.add
                    local.get $token
                    local.get $xR
                    i32.mul
                    i32.add
                    local.get $columns
                    local.get $group
                    local.get $unitColumns
                    local.get $slot
                    i32.const -2
                    i32.const -4
                    i32.const -8
                    i32.const -16
                    i32.const -32
                    i32.const 0
                    local.get $bits
                    i32.const 6
                    i32.eq
                    select
                    local.get $bits
                    i32.const 5
                    i32.eq
                    select
                    local.get $bits
                    i32.const 4
                    i32.eq
                    select
                    local.get $bits
                    i32.const 3
                    i32.eq
                    select
                    local.get $bits
                    i32.const 2
                    i32.eq
                    select
                    i32.const -2
                    i32.const -4
                    i32.const -2048
                    i32.const -16
                    i32.const -32
                    i32.const 0
                    local.get $bits
                    i32.const 6
                    i32.eq
                    select
                    local.get $bits
                    i32.const 5
                    i32.eq
                    select
                    local.get $bits
                    i32.const 4
                    i32.eq
                    select
                    local.get $bits
                    i32.const 3
                    i32.eq
                    select
                    local.get $bits
                    i32.const 2
                    i32.eq
                    select
                    local.get $isLong
                    select
                    i32.const 0
                    local.get $isLong
                    i32.gt_s
                    call $prepareRow_scaledPairs
                  else
                    local.get $bits
                    i32.const 5
                    i32.eq
                    if
                      local.get $x
                      local.get $m
                      local.get $xR
                      i32.mul
                      i32.add
                      local.get $start
                      i32.add
                      local.get $token
                      local.get $xR
                      i32.mul
                      i32.add
                      local.get $columns
                      local.get $group
                      local.get $unitColumns
                      local.get $slot
                      i32.const -2
                      i32.const -4
                      i32.const -8
                      i32.const -16
                      i32.const -32
                      i32.const 0
                      local.get $bits
                      i32.const 6
                      i32.eq
                      select
                      local.get $bits
                      i32.const 5
                      i32.eq
                      select
                      local.get $bits
                      i32.const 4
                      i32.eq
                      select
                      local.get $bits
                      i32.const 3
                      i32.eq
                      select
                      local.get $bits
                      i32.const 2
                      i32.eq
                      select
                      i32.const -2
                      i32.const -4
                      i32.const -2048
                      i32.const -16
                      i32.const -32
                      i32.const 0
                      local.get $bits
                      i32.const 6
                      i32.eq
                      select
                      local.get $bits
                      i32.const 5
                      i32.eq
                      select
                      local.get $bits
                      i32.const 4
                      i32.eq
                      select
                      local.get $bits
                      i32.const 3
                      i32.eq
                      select
                      local.get $bits
                      i32.const 2
                      i32.eq
                      select
                      local.get $isLong
                      select
                      i32.const 0
                      local.get $isLong
                      i32.gt_s
                      call $prepareRow_pairs
                    else
                      local.get $bits
                      i32.const 6
                      i32.eq
                      if
                        local.get $x
                        local.get $m
                        local.get $xR
                        i32.mul
                        i32.add
                        local.get $start
                        i32.add
                        local.get $token
                        local.get $xR
                        i32.mul
                        i32.add
                        local.get $columns
                        local.get $group
                        local.get $unitColumns
                        local.get $slot
                        i32.const -2
                        i32.const -4
                        i32.const -8
                        i32.const -16
                        i32.const -32
                        i32.const 0
                        local.get $bits
                        i32.const 6
                        i32.eq
                        select
                        local.get $bits
                        i32.const 5
                        i32.eq
                        select
                        local.get $bits
                        i32.const 4
                        i32.eq
                        select
                        local.get $bits
                        i32.const 3
                        i32.eq
                        select
                        local.get $bits
                        i32.const 2
                        i32.eq
                        select
                        i32.const -2
                        i32.const -4
                        i32.const -2048
                        i32.const -16
                        i32.const -32
                        i32.const 0
                        local.get $bits
                        i32.const 6
                        i32.eq
                        select
                        local.get $bits
                        i32.const 5
                        i32.eq
                        select
                        local.get $bits
                        i32.const 4
                        i32.eq
                        select
                        local.get $bits
                        i32.const 3
                        i32.eq
                        select
                        local.get $bits
                        i32.const 2
                        i32.eq
                        select
                        local.get $isLong
                        select
                        i32.const 0
                        local.get $isLong
                        i32.gt_s
                        call $prepareRow_pairs
                      else
                        local.get $x
                        local.get $m
                        local.get $xR
                        i32.mul
                        i32.add
                        local.get $start
                        i32.add
                        local.get $token
                        local.get $xR
                        i32.mul
                        i32.add
                        local.get $columns
                        local.get $group
                        local.get $unitColumns
                        local.get $slot
                        i32.const -2
                        i32.const -4
                        i32.const -8
                        i32.const -16
                        i32.const -32
                        i32.const 0
                        local.get $bits
                        i32.const 6
                        i32.eq
                        select
                        local.get $bits
                        i32.const 5
                        i32.eq
                        select
                        local.get $bits
                        i32.const 4
                        i32.eq
                        select
                        local.get $bits
                        i32.const 3
                        i32.eq
                        select
                        local.get $bits
                        i32.const 2
                        i32.eq
                        select
                        i32.const -2
                        i32.const -4
                        i32.const -2048
                        i32.const -16
                        i32.const -32
                        i32.const 0
                        local.get $bits
                        i32.const 6
                        i32.eq
                        select
                        local.get $bits
                        i32.const 5
                        i32.eq
                        select
                        local.get $bits
                        i32.const 4
                        i32.eq
                        select
                        local.get $bits
                        i32.const 3
                        i32.eq
                        select
                        local.get $bits
                        i32.const 2
                        i32.eq
                        select
                        local.get $isLong
                        select
                        i32.const 0
                        local.get $isLong
                        i32.gt_s
                        call $prepareRow_pairs
                      end
                    end
                  end
                end
              end
              local.get $slot
              i32.const 40976
              i32.add
              local.set $slot
              local.get $token
              i32.const 1
              i32.add
              local.set $token
              local.get $token
              local.get $tokens
              i32.lt_s
              br_if 0
            end
          end
          local.get $N
          i32.const 16
          local.get $tokens
          i32.const 1
          i32.eq
          select
          local.set $rows
          i32.const 0
          local.set $n
          local.get $weights
          local.set $block
          local.get $n
          local.get $N
          i32.lt_s
          if
            loop
              local.get $rows
              local.get $N
              local.get $n
              i32.sub
              local.get $rows
              local.get $N
              local.get $n
              i32.sub
              i32.lt_s
              select
              local.set $rows
              i32.const 0
              local.set $token
              local.get $scratch
              i32.const 64
              i32.add
              local.set $slot
              local.get $token
              local.get $tokens
              i32.lt_s
              if
                loop
                  local.get $out
                  local.get $m
                  local.get $outR
                  i32.mul
                  i32.add
                  local.get $token
                  local.get $outR
                  i32.mul
                  i32.add
                  local.get $n
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $outputs
                  local.get $xScale
                  local.get $m
                  local.get $xScaleR
                  i32.mul
                  i32.add
                  local.get $token
                  local.get $xScaleR
                  i32.mul
                  i32.add
                  local.set $scale
                  local.get $bits
                  i32.const 2
                  i32.eq
                  if
                    local.get $block
                    local.get $blockStride
                    local.get $count
                    local.get $groupUnits
                    local.get $units
                    local.get $slot
                    local.get $rows
                    local.get $outputs
                    local.get $scale
                    local.get $chunkFlags
                    local.get $scratch
                    i32.const 0
                    i32.add
                    call $gemmRowWidenedU2
                  else
                    local.get $bits
                    i32.const 3
                    i32.eq
                    if
                      local.get $block
                      local.get $blockStride
                      local.get $count
                      local.get $groupUnits
                      local.get $units
                      local.get $slot
                      local.get $rows
                      local.get $outputs
                      local.get $scale
                      local.get $chunkFlags
                      local.get $scratch
                      i32.const 0
                      i32.add
                      call $gemmRowWidenedU3
                    else
                      local.get $bits
                      i32.const 4
                      i32.eq
                      if
                        local.get $isLong
                        if
                          local.get $block
                          local.get $blockStride
                          local.get $count
                          local.get $groupUnits
                          local.get $units
                          local.get $slot
                          local.get $rows
                          local.get $outputs
                          local.get $scale
                          local.get $chunkFlags
                          local.get $scratch
                          i32.const 0
                          i32.add
                          call $gemmRowMaskedU4Long
                        else
                          local.get $block
                          local.get $blockStride
                          local.get $count
                          local.get $groupUnits
                          local.get $units
                          local.get $slot
                          local.get $rows
                          local.get $outputs
                          local.get $scale
                          local.get $chunkFlags
                          local.get $scratch
                          i32.const 0
                          i32.add
                          call $gemmRowMaskedU4
                        end
                      else
                        local.get $bits
                        i32.const 5
                        i32.eq
                        if
                          local.get $block
                          local.get $blockStride
                          local.get $count
                          local.get $groupUnits
                          local.get $units
                          local.get $slot
                          local.get $rows
                          local.get $outputs
                          local.get $scale
                          local.get $chunkFlags
                          local.get $scratch
                          i32.const 0
                          i32.add
                          call $gemmRowWidenedU5
                        else
                          local.get $bits
                          i32.const 6
                          i32.eq
                          if
                            local.get $block
                            local.get $blockStride
                            local.get $count
                            local.get $groupUnits
                            local.get $units
                            local.get $slot
                            local.get $rows
                            local.get $outputs
                            local.get $scale
                            local.get $chunkFlags
                            local.get $scratch
                            i32.const 0
                            i32.add
                            call $gemmRowWidenedU6
                          else
                            local.get $isLong
                            if
                              local.get $block
                              local.get $blockStride
                              local.get $count
                              local.get $groupUnits
                              local.get $units
                              local.get $slot
                              local.get $rows
                              local.get $outputs
                              local.get $scale
                              local.get $chunkFlags
                              local.get $scratch
                              i32.const 0
                              i32.add
                              call $gemmRowMaskedS8Long
                            else
                              local.get $block
                              local.get $blockStride
                              local.get $count
                              local.get $groupUnits
                              local.get $units
                              local.get $slot
                              local.get $rows
                              local.get $outputs
                              local.get $scale
                              local.get $chunkFlags
                              local.get $scratch
                              i32.const 0
                              i32.add
                              call $gemmRowMaskedS8
                            end
                          end
                        end
                      end
                    end
                  end
                  local.get $slot
                  i32.const 40976
                  i32.add
                  local.set $slot
                  local.get $token
                  i32.const 1
                  i32.add
                  local.set $token
                  local.get $token
                  local.get $tokens
                  i32.lt_s
                  br_if 0
                end
              end
              local.get $block
              local.get $blockStride
              i32.add
              local.set $block
              local.get $n
              local.get $rows
              i32.add
              local.set $n
              local.get $n
              local.get $N
              i32.lt_s
              br_if 0
            end
          end
          local.get $m
          local.get $tokens
          i32.add
          local.set $m
          local.get $m
          local.get $M
          i32.lt_s
          br_if 0
        end
      end
    end
    local.get $g
    local.get $chunkGroups
    i32.add
    local.set $g
    local.get $g
    local.get $groups
    i32.lt_s
    br_if 0
  end
)
