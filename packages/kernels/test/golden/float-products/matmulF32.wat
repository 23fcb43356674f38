(func $matmulF32 (export "matmulF32") (param $M i32) (param $N i32) (param $K i32) (param $a i32) (param $aM i32) (param $aK i32) (param $b i32) (param $bN i32) (param $bK i32) (param $out i32) (param $outR i32) (param $flags i32) (param $scratch i32)
  (local $first i32)
  (local $rows i32)
  (local $out i32)
  (local $n i32)
  (local $a i32)
  (local $columns i32)
  (local $m i32)
  (local $blockRows i32)
  (local $steps i32)
  (local $outputs i32)
  (local $left i32)
  (local $right i32)
  (local $packedLeft i32)
  (local $packedRight i32)
  local.get $flags
  i32.const 1
  i32.and
  i32.eqz
  local.set $first
  local.get $K
  i32.const 0
  i32.le_s
  if
    local.get $first
    if
      local.get $M
      i32.const 0
      i32.gt_s
      if
        loop
          local.get $out
          local.set $out
          local.get $N
          local.set $n
          local.get $n
          i32.const 4
          i32.ge_s
          if
            loop
              local.get $out
              v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
              v128.store
              local.get $out
              i32.const 16
              i32.add
              local.set $out
              local.get $n
              i32.const -4
              i32.add
              local.set $n
              local.get $n
              i32.const 4
              i32.ge_s
              br_if 0
            end
          end
          local.get $n
          i32.const 0
          i32.gt_s
          if
            local.get $n
            i32.const 2
            i32.and
            if
              local.get $out
              v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
              v128.store64_lane 0
              local.get $n
              i32.const 1
              i32.and
              if
                local.get $out
                v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
                v128.store32_lane offset=8 2
              end
            else
              local.get $out
              v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
              v128.store32_lane 0
            end
          end
          local.get $out
          local.get $outR
          i32.add
          local.set $out
          local.get $M
          i32.const -1
          i32.add
          local.set $M
          local.get $M
          i32.const 0
          i32.gt_s
          br_if 0
        end
      end
    end
    return
  end
  local.get $aK
  i32.const 4
  i32.eq
  local.get $bK
  i32.const 4
  i32.eq
  i32.and
  local.get $M
  i32.const 16
  i32.le_s
  i32.and
  if
    local.get $N
    i32.const 0
    i32.gt_s
    if
      loop
        local.get $M
        local.set $rows
        local.get $a
        local.set $a
        local.get $out
        local.set $out
        local.get $rows
        i32.const 2
        i32.ge_s
        if
          loop
            local.get $K
            local.get $a
            local.get $aM
            local.get $b
            local.get $bN
            local.get $out
            local.get $outR
            local.get $N
            local.get $first
            call $floatDirect2
            local.get $a
            local.get $aM
            i32.const 2
            i32.mul
            i32.add
            local.set $a
            local.get $out
            local.get $outR
            i32.const 2
            i32.mul
            i32.add
            local.set $out
            local.get $rows
            i32.const -2
            i32.add
            local.set $rows
            local.get $rows
            i32.const 2
            i32.ge_s
            br_if 0
          end
        end
        local.get $rows
        i32.const 0
        i32.gt_s
        if
          local.get $K
          local.get $a
          local.get $aM
          local.get $b
          local.get $bN
          local.get $out
          local.get $outR
          local.get $N
          local.get $first
          call $floatDirect1
        end
        local.get $b
        local.get $bN
        i32.const 4
        i32.mul
        i32.add
        local.set $b
        local.get $out
        i32.const 16
        i32.add
        local.set $out
        local.get $N
        i32.const -4
        i32.add
        local.set $N
        local.get $N
        i32.const 0
        i32.gt_s
        br_if 0
      end
    end
    return
  end
  local.get $bN
  i32.const 4
  i32.eq
  local.get $M
  i32.const 4
  i32.le_s
  i32.and
  if
    local.get $M
    local.get $N
    local.get $K
    local.get $a
    local.get $aM
    local.get $aK
    local.get $b
    local.get $bK
    local.get $out
    local.get $outR
    local.get $first
    local.get $scratch
    i32.const 131200
    i32.add
    call $floatLineProduct
    return
  end
  local.get $scratch
  i32.const 131200
  i32.add
  local.set $packedLeft
  local.get $scratch
  i32.const 128
  i32.add
  local.set $packedRight
  loop
    local.get $K
    i32.const 512
    local.get $K
    i32.const 512
    i32.lt_s
    select
    local.set $columns
    local.get $columns
    i32.const 3
    i32.add
    i32.const 2
    i32.shr_u
    local.set $steps
    i32.const 0
    local.set $m
    local.get $m
    local.get $M
    i32.lt_s
    if
      loop
        local.get $M
        local.get $m
        i32.sub
        i32.const 128
        local.get $M
        local.get $m
        i32.sub
        i32.const 128
        i32.lt_s
        select
        local.set $blockRows
        local.get $blockRows
        local.get $columns
        local.get $a
        local.get $aM
        local.get $m
        i32.mul
        i32.add
        local.get $aM
        local.get $aK
        local.get $packedLeft
        call $floatPack2
        i32.const 0
        local.set $n
        local.get $n
        local.get $N
        i32.lt_s
        if
          loop
            local.get $N
            local.get $n
            i32.sub
            i32.const 64
            local.get $N
            local.get $n
            i32.sub
            i32.const 64
            i32.lt_s
            select
            local.set $outputs
            local.get $outputs
            local.get $columns
            local.get $b
            local.get $bN
            local.get $n
            i32.mul
            i32.add
            local.get $bN
            local.get $bK
            local.get $packedRight
            call $floatPack4
            local.get $packedRight
            local.set $right
            local.get $outputs
            i32.const 0
            i32.gt_s
            if
              loop
                local.get $blockRows
                local.set $rows
                local.get $packedLeft
                local.set $left
                local.get $out
                local.get $outR
                local.get $m
                i32.mul
                i32.add
                local.get $n
                i32.const 4
                i32.mul
                i32.add
                local.set $out
                local.get $rows
                i32.const 2
                i32.ge_s
                if
                  loop
                    local.get $steps
                    local.get $left
                    local.get $right
                    local.get $out
                    local.get $outR
                    local.get $outputs
                    local.get $first
                    local.get $scratch
                    i32.const 0
                    i32.add
                    call $floatTile2
                    local.get $left
                    local.get $steps
                    i32.const 32
                    i32.mul
                    i32.add
                    local.set $left
                    local.get $out
                    local.get $outR
                    i32.const 2
                    i32.mul
                    i32.add
                    local.set $out
                    local.get $rows
                    i32.const -2
                    i32.add
                    local.set $rows
                    local.get $rows
                    i32.const 2
                    i32.ge_s
                    br_if 0
                  end
                end
                local.get $rows
                i32.const 0
                i32.gt_s
                if
                  local.get $steps
                  local.get $left
                  local.get $right
                  local.get $out
                  local.get $outR
                  local.get $outputs
                  local.get $first
                  local.get $scratch
                  i32.const 0
                  i32.add
                  call $floatTile1
                end
                local.get $right
                local.get $steps
                i32.const 64
                i32.mul
                i32.add
                local.set $right
                local.get $n
                i32.const 4
                i32.add
                local.set $n
                local.get $outputs
                i32.const -4
                i32.add
                local.set $outputs
                local.get $outputs
                i32.const 0
                i32.gt_s
                br_if 0
              end
            end
            local.get $n
            local.get $N
            i32.lt_s
            br_if 0
          end
        end
        local.get $m
        local.get $blockRows
        i32.add
        local.set $m
        local.get $m
        local.get $M
        i32.lt_s
        br_if 0
      end
    end
    local.get $a
    local.get $aK
    local.get $columns
    i32.mul
    i32.add
    local.set $a
    local.get $b
    local.get $bK
    local.get $columns
    i32.mul
    i32.add
    local.set $b
    local.get $K
    local.get $columns
    i32.const -1
    i32.mul
    i32.add
    local.set $K
    i32.const 0
    local.set $first
    local.get $K
    br_if 0
  end
)
