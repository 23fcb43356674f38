(func $floatLineProduct (param $M i32) (param $N i32) (param $K i32) (param $a i32) (param $aM i32) (param $aK i32) (param $b i32) (param $bK i32) (param $out i32) (param $outR i32) (param $first i32) (param $sums i32)
  (local $n i32)
  (local $k i32)
  (local $m i32)
  (local $j i32)
  (local $outputs i32)
  (local $columns i32)
  (local $fresh i32)
  (local $right i32)
  (local $left i32)
  (local $chain i32)
  (local $end i32)
  local.get $n
  local.get $N
  i32.lt_s
  if
    loop
      local.get $N
      local.get $n
      i32.sub
      i32.const 1024
      local.get $N
      local.get $n
      i32.sub
      i32.const 1024
      i32.lt_s
      select
      local.set $outputs
      local.get $first
      local.set $fresh
      i32.const 0
      local.set $k
      loop
        local.get $K
        local.get $k
        i32.sub
        i32.const 512
        local.get $K
        local.get $k
        i32.sub
        i32.const 512
        i32.lt_s
        select
        local.set $columns
        local.get $a
        local.get $aK
        local.get $k
        i32.mul
        i32.add
        local.set $left
        local.get $b
        local.get $bK
        local.get $k
        i32.mul
        i32.add
        local.get $n
        i32.const 4
        i32.mul
        i32.add
        local.set $right
        local.get $sums
        local.set $chain
        local.get $sums
        local.get $M
        i32.const 16384
        i32.mul
        i32.add
        local.set $end
        local.get $chain
        local.get $end
        i32.lt_u
        if
          loop
            local.get $chain
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            v128.store
            local.get $chain
            i32.const 16
            i32.add
            local.set $chain
            local.get $chain
            local.get $end
            i32.lt_u
            br_if 0
          end
        end
        local.get $k
        local.get $columns
        i32.add
        local.set $k
        local.get $columns
        i32.const 16
        i32.ge_s
        if
          loop
            i32.const 0
            local.set $j
            local.get $j
            i32.const 4
            i32.lt_s
            if
              loop
                i32.const 0
                local.set $m
                local.get $sums
                local.get $j
                i32.const 4096
                i32.mul
                i32.add
                local.set $chain
                local.get $m
                local.get $M
                i32.lt_s
                if
                  loop
                    local.get $outputs
                    local.get $left
                    local.get $aM
                    local.get $m
                    i32.mul
                    i32.add
                    local.get $aK
                    i32.const 4
                    i32.mul
                    local.get $right
                    local.get $bK
                    i32.const 4
                    i32.mul
                    local.get $chain
                    call $floatLines4
                    local.get $chain
                    i32.const 16384
                    i32.add
                    local.set $chain
                    local.get $m
                    i32.const 1
                    i32.add
                    local.set $m
                    local.get $m
                    local.get $M
                    i32.lt_s
                    br_if 0
                  end
                end
                local.get $left
                local.get $aK
                i32.add
                local.set $left
                local.get $right
                local.get $bK
                i32.add
                local.set $right
                local.get $j
                i32.const 1
                i32.add
                local.set $j
                local.get $j
                i32.const 4
                i32.lt_s
                br_if 0
              end
            end
            local.get $left
            local.get $aK
            i32.const 12
            i32.mul
            i32.add
            local.set $left
            local.get $right
            local.get $bK
            i32.const 12
            i32.mul
            i32.add
            local.set $right
            local.get $columns
            i32.const -16
            i32.add
            local.set $columns
            local.get $columns
            i32.const 16
            i32.ge_s
            br_if 0
          end
        end
        local.get $columns
        local.set $end
        i32.const 0
        local.set $j
        local.get $columns
        i32.const 0
        i32.gt_s
        if
          loop
            i32.const 0
            local.set $m
            local.get $sums
            local.get $j
            i32.const 4096
            i32.mul
            i32.add
            local.set $chain
            local.get $m
            local.get $M
            i32.lt_s
            if
              loop
                local.get $outputs
                local.get $left
                local.get $aM
                local.get $m
                i32.mul
                i32.add
                local.get $aK
                i32.const 4
                i32.mul
                local.get $right
                local.get $bK
                i32.const 4
                i32.mul
                local.get $chain
                call $floatLines1
                local.get $chain
                i32.const 16384
                i32.add
                local.set $chain
                local.get $m
                i32.const 1
                i32.add
                local.set $m
                local.get $m
                local.get $M
                i32.lt_s
                br_if 0
              end
            end
            local.get $left
            local.get $aK
            i32.add
            local.set $left
            local.get $right
            local.get $bK
            i32.add
            local.set $right
            local.get $j
            i32.const 1
            i32.add
            i32.const 3
            i32.and
            local.set $j
            local.get $columns
            i32.const -1
            i32.add
            local.set $columns
            local.get $columns
            i32.const 0
            i32.gt_s
            br_if 0
          end
        end
        i32.const 0
        local.set $m
        local.get $m
        local.get $M
        i32.lt_s
        if
          loop
            local.get $outputs
            local.get $sums
            local.get $m
            i32.const 16384
            i32.mul
            i32.add
            local.get $out
            local.get $outR
            local.get $m
            i32.mul
            i32.add
            local.get $n
            i32.const 4
            i32.mul
            i32.add
            local.get $fresh
            local.get $end
            i32.const 3
            i32.and
            call $floatFoldLines
            local.get $m
            i32.const 1
            i32.add
            local.set $m
            local.get $m
            local.get $M
            i32.lt_s
            br_if 0
          end
        end
        i32.const 0
        local.set $fresh
        local.get $k
        local.get $K
        i32.lt_s
        br_if 0
      end
      local.get $n
      local.get $outputs
      i32.add
      local.set $n
      local.get $n
      local.get $N
      i32.lt_s
      br_if 0
    end
  end
)
