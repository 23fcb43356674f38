(func $gemmPanel_bytes (param $bits i32) (param $w i32) (param $blockStride i32) (param $groups i32) (param $groupUnits i32) (param $lastUnits i32) (param $groupSteps i32) (param $lastSteps i32) (param $pieceQuads i32) (param $x i32) (param $tileBytes i32) (param $starts i32) (param $startBytes i32) (param $tokens i32) (param $N i32) (param $out i32) (param $outR i32) (param $xScale i32) (param $xScaleR i32) (param $flags i32) (param $panel i32) (param $halfBytes i32) (param $scales i32) (param $ragged i32)
  (local $target i32)
  (local $targetR i32)
  (local $row i32)
  (local $xAt i32)
  (local $startAt i32)
  (local $left i32)
  (local $scaleAt i32)
  (local $factor v128)
  (local $from i32)
  (local $to i32)
  (local $column i32)
  local.get $N
  i32.const 0
  i32.gt_s
  if
    loop
      local.get $bits
      i32.const 2
      i32.eq
      if
        local.get $w
        local.get $groups
        local.get $groupUnits
        local.get $lastUnits
        local.get $panel
        local.get $halfBytes
        local.get $scales
        call $expand_bytes_U2
      else
        local.get $bits
        i32.const 3
        i32.eq
        if
          local.get $w
          local.get $groups
          local.get $groupUnits
          local.get $lastUnits
          local.get $panel
          local.get $halfBytes
          local.get $scales
          call $expand_bytes_U3
        else
          local.get $bits
          i32.const 4
          i32.eq
          if
            local.get $w
            local.get $groups
            local.get $groupUnits
            local.get $lastUnits
            local.get $panel
            local.get $halfBytes
            local.get $scales
            call $expand_bytes_U4
          else
            local.get $bits
            i32.const 5
            i32.eq
            if
              local.get $w
              local.get $groups
              local.get $groupUnits
              local.get $lastUnits
              local.get $panel
              local.get $halfBytes
              local.get $scales
              call $expand_bytes_U5
            else
              local.get $w
              local.get $groups
              local.get $groupUnits
              local.get $lastUnits
              local.get $panel
              local.get $halfBytes
              local.get $scales
              call $expand_bytes_U6
            end
          end
        end
      end
      local.get $out
      local.set $target
      local.get $outR
      local.set $targetR
      local.get $N
      i32.const 16
      i32.ge_s
      i32.eqz
      if
        local.get $ragged
        local.set $target
        i32.const 64
        local.set $targetR
        local.get $flags
        i32.const 1
        i32.and
        if
          i32.const 0
          local.set $left
          local.get $left
          local.get $tokens
          i32.lt_s
          if
            loop
              local.get $out
              local.get $left
              local.get $outR
              i32.mul
              i32.add
              local.set $from
              local.get $ragged
              local.get $left
              i32.const 64
              i32.mul
              i32.add
              local.set $to
              local.get $N
              local.set $column
              local.get $column
              if
                loop
                  local.get $to
                  local.get $from
                  i32.load
                  i32.store
                  local.get $from
                  i32.const 4
                  i32.add
                  local.set $from
                  local.get $to
                  i32.const 4
                  i32.add
                  local.set $to
                  local.get $column
                  i32.const -1
                  i32.add
                  local.set $column
                  local.get $column
                  br_if 0
                end
              end
              local.get $left
              i32.const 1
              i32.add
              local.set $left
              local.get $left
              local.get $tokens
              i32.lt_s
              br_if 0
            end
          end
        end
      end
      local.get $target
      local.set $row
      local.get $x
      local.set $xAt
      local.get $starts
      local.set $startAt
      local.get $tokens
      local.set $left
      local.get $left
      i32.const 4
      i32.ge_s
      if
        loop
          local.get $groupSteps
          local.get $pieceQuads
          i32.le_s
          if
            local.get $panel
            local.get $halfBytes
            local.get $scales
            local.get $groups
            local.get $groupSteps
            local.get $lastSteps
            local.get $pieceQuads
            local.get $xAt
            local.get $startAt
            local.get $row
            local.get $targetR
            local.get $flags
            i32.const 1
            i32.and
            call $pass_shortBytes_4
          else
            local.get $panel
            local.get $halfBytes
            local.get $scales
            local.get $groups
            local.get $groupSteps
            local.get $lastSteps
            local.get $pieceQuads
            local.get $xAt
            local.get $startAt
            local.get $row
            local.get $targetR
            local.get $flags
            i32.const 1
            i32.and
            call $pass_bytes_4
          end
          local.get $row
          local.get $targetR
          i32.const 4
          i32.mul
          i32.add
          local.set $row
          local.get $xAt
          local.get $tileBytes
          i32.add
          local.set $xAt
          local.get $startAt
          local.get $startBytes
          i32.add
          local.set $startAt
          local.get $left
          i32.const -4
          i32.add
          local.set $left
          local.get $left
          i32.const 4
          i32.ge_s
          br_if 0
        end
      end
      local.get $left
      i32.const 1
      i32.eq
      if
        local.get $groupSteps
        local.get $pieceQuads
        i32.le_s
        if
          local.get $panel
          local.get $halfBytes
          local.get $scales
          local.get $groups
          local.get $groupSteps
          local.get $lastSteps
          local.get $pieceQuads
          local.get $xAt
          local.get $startAt
          local.get $row
          local.get $targetR
          local.get $flags
          i32.const 1
          i32.and
          call $pass_shortBytes_1
        else
          local.get $panel
          local.get $halfBytes
          local.get $scales
          local.get $groups
          local.get $groupSteps
          local.get $lastSteps
          local.get $pieceQuads
          local.get $xAt
          local.get $startAt
          local.get $row
          local.get $targetR
          local.get $flags
          i32.const 1
          i32.and
          call $pass_bytes_1
        end
      end
      local.get $left
      i32.const 2
      i32.eq
      if
        local.get $groupSteps
        local.get $pieceQuads
        i32.le_s
        if
          local.get $panel
          local.get $halfBytes
          local.get $scales
          local.get $groups
          local.get $groupSteps
          local.get $lastSteps
          local.get $pieceQuads
          local.get $xAt
          local.get $startAt
          local.get $row
          local.get $targetR
          local.get $flags
          i32.const 1
          i32.and
          call $pass_shortBytes_2
        else
          local.get $panel
          local.get $halfBytes
          local.get $scales
          local.get $groups
          local.get $groupSteps
          local.get $lastSteps
          local.get $pieceQuads
          local.get $xAt
          local.get $startAt
          local.get $row
          local.get $targetR
          local.get $flags
          i32.const 1
          i32.and
          call $pass_bytes_2
        end
      end
      local.get $left
      i32.const 3
      i32.eq
      if
        local.get $groupSteps
        local.get $pieceQuads
        i32.le_s
        if
          local.get $panel
          local.get $halfBytes
          local.get $scales
          local.get $groups
          local.get $groupSteps
          local.get $lastSteps
          local.get $pieceQuads
          local.get $xAt
          local.get $startAt
          local.get $row
          local.get $targetR
          local.get $flags
          i32.const 1
          i32.and
          call $pass_shortBytes_3
        else
          local.get $panel
          local.get $halfBytes
          local.get $scales
          local.get $groups
          local.get $groupSteps
          local.get $lastSteps
          local.get $pieceQuads
          local.get $xAt
          local.get $startAt
          local.get $row
          local.get $targetR
          local.get $flags
          i32.const 1
          i32.and
          call $pass_bytes_3
        end
      end
      local.get $flags
      i32.const 2
      i32.and
      if
        local.get $target
        local.set $row
        local.get $xScale
        local.set $scaleAt
        local.get $tokens
        local.set $left
        local.get $left
        if
          loop
            local.get $scaleAt
            v128.load32_splat
            local.set $factor
            local.get $row
            local.get $row
            v128.load
            local.get $factor
            f32x4.mul
            v128.store
            local.get $row
            local.get $row
            v128.load offset=16
            local.get $factor
            f32x4.mul
            v128.store offset=16
            local.get $row
            local.get $row
            v128.load offset=32
            local.get $factor
            f32x4.mul
            v128.store offset=32
            local.get $row
            local.get $row
            v128.load offset=48
            local.get $factor
            f32x4.mul
            v128.store offset=48
            local.get $row
            local.get $targetR
            i32.add
            local.set $row
            local.get $scaleAt
            local.get $xScaleR
            i32.add
            local.set $scaleAt
            local.get $left
            i32.const -1
            i32.add
            local.set $left
            local.get $left
            br_if 0
          end
        end
      end
      local.get $N
      i32.const 16
      i32.ge_s
      i32.eqz
      if
        i32.const 0
        local.set $left
        local.get $left
        local.get $tokens
        i32.lt_s
        if
          loop
            local.get $ragged
            local.get $left
            i32.const 64
            i32.mul
            i32.add
            local.set $from
            local.get $out
            local.get $left
            local.get $outR
            i32.mul
            i32.add
            local.set $to
            local.get $N
            local.set $column
            local.get $column
            if
              loop
                local.get $to
                local.get $from
                i32.load
                i32.store
                local.get $from
                i32.const 4
                i32.add
                local.set $from
                local.get $to
                i32.const 4
                i32.add
                local.set $to
                local.get $column
                i32.const -1
                i32.add
                local.set $column
                local.get $column
                br_if 0
              end
            end
            local.get $left
            i32.const 1
            i32.add
            local.set $left
            local.get $left
            local.get $tokens
            i32.lt_s
            br_if 0
          end
        end
      end
      local.get $w
      local.get $blockStride
      i32.add
      local.set $w
      local.get $out
      i32.const 64
      i32.add
      local.set $out
      local.get $N
      i32.const -16
      i32.add
      local.set $N
      local.get $N
      i32.const 0
      i32.gt_s
      br_if 0
    end
  end
)
