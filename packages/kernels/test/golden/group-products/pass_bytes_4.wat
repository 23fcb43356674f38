(func $pass_bytes_4 (param $panel i32) (param $halfBytes i32) (param $scales i32) (param $groups i32) (param $groupSteps i32) (param $lastSteps i32) (param $pieceQuads i32) (param $x i32) (param $starts i32) (param $out i32) (param $outR i32) (param $continue i32)
  (local $sum0_0 v128)
  (local $sum0_1 v128)
  (local $sum1_0 v128)
  (local $sum1_1 v128)
  (local $sum2_0 v128)
  (local $sum2_1 v128)
  (local $sum3_0 v128)
  (local $sum3_1 v128)
  (local $total0_0 v128)
  (local $total0_1 v128)
  (local $total1_0 v128)
  (local $total1_1 v128)
  (local $total2_0 v128)
  (local $total2_1 v128)
  (local $total3_0 v128)
  (local $total3_1 v128)
  (local $row0 i32)
  (local $row1 i32)
  (local $row2 i32)
  (local $row3 i32)
  (local $w0 v128)
  (local $w1 v128)
  (local $scale0 v128)
  (local $scale1 v128)
  (local $value v128)
  (local $at i32)
  (local $xAt i32)
  (local $scaleAt i32)
  (local $startAt i32)
  (local $group i32)
  (local $steps i32)
  (local $piece i32)
  (local $half i32)
  local.get $panel
  local.set $at
  i32.const 2
  local.set $half
  loop
    local.get $scales
    local.set $scaleAt
    local.get $x
    local.set $xAt
    local.get $starts
    local.set $startAt
    local.get $out
    local.set $row0
    local.get $row0
    local.get $outR
    i32.add
    local.set $row1
    local.get $row1
    local.get $outR
    i32.add
    local.set $row2
    local.get $row2
    local.get $outR
    i32.add
    local.set $row3
    local.get $continue
    i32.eqz
    if
      local.get $row0
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store
      local.get $row0
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store offset=16
      local.get $row1
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store
      local.get $row1
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store offset=16
      local.get $row2
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store
      local.get $row2
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store offset=16
      local.get $row3
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store
      local.get $row3
      v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
      v128.store offset=16
    end
    local.get $groups
    local.set $group
    local.get $group
    i32.const 0
    i32.gt_s
    if
      loop
        local.get $groupSteps
        local.set $steps
        local.get $group
        i32.const 1
        i32.eq
        if
          local.get $lastSteps
          local.set $steps
        end
        local.get $startAt
        v128.load32_splat
        local.set $total0_0
        local.get $total0_0
        local.set $total0_1
        local.get $startAt
        v128.load32_splat offset=4
        local.set $total1_0
        local.get $total1_0
        local.set $total1_1
        local.get $startAt
        v128.load32_splat offset=8
        local.set $total2_0
        local.get $total2_0
        local.set $total2_1
        local.get $startAt
        v128.load32_splat offset=12
        local.set $total3_0
        local.get $total3_0
        local.set $total3_1
        local.get $startAt
        i32.const 16
        i32.add
        local.set $startAt
        local.get $steps
        i32.const 0
        i32.gt_s
        if
          loop
            local.get $pieceQuads
            local.set $piece
            local.get $steps
            local.get $pieceQuads
            i32.lt_s
            if
              local.get $steps
              local.set $piece
            end
            local.get $steps
            local.get $piece
            i32.sub
            local.set $steps
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum0_0
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum0_1
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum1_0
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum1_1
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum2_0
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum2_1
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum3_0
            v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
            local.set $sum3_1
            local.get $piece
            i32.const 8
            i32.eq
            if
              block
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $xAt
                i32.eqz
                br_if 0
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $xAt
                i32.eqz
                br_if 0
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $xAt
                i32.eqz
                br_if 0
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $xAt
                i32.eqz
                br_if 0
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $xAt
                i32.eqz
                br_if 0
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $xAt
                i32.eqz
                br_if 0
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $xAt
                i32.eqz
                br_if 0
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
              end
            else
              loop
                local.get $at
                v128.load
                local.set $w0
                local.get $at
                v128.load offset=16
                local.set $w1
                local.get $xAt
                v128.load32_splat
                local.set $value
                local.get $sum0_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_0
                local.get $sum0_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum0_1
                local.get $xAt
                v128.load32_splat offset=4
                local.set $value
                local.get $sum1_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_0
                local.get $sum1_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum1_1
                local.get $xAt
                v128.load32_splat offset=8
                local.set $value
                local.get $sum2_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_0
                local.get $sum2_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum2_1
                local.get $xAt
                v128.load32_splat offset=12
                local.set $value
                local.get $sum3_0
                local.get $value
                local.get $w0
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_0
                local.get $sum3_1
                local.get $value
                local.get $w1
                i16x8.relaxed_dot_i8x16_i7x16_s
                i16x8.add
                local.set $sum3_1
                local.get $at
                i32.const 32
                i32.add
                local.set $at
                local.get $xAt
                i32.const 16
                i32.add
                local.set $xAt
                local.get $piece
                i32.const -1
                i32.add
                local.tee $piece
                br_if 0
              end
            end
            local.get $total0_0
            local.get $sum0_0
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total0_0
            local.get $total0_1
            local.get $sum0_1
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total0_1
            local.get $total1_0
            local.get $sum1_0
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total1_0
            local.get $total1_1
            local.get $sum1_1
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total1_1
            local.get $total2_0
            local.get $sum2_0
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total2_0
            local.get $total2_1
            local.get $sum2_1
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total2_1
            local.get $total3_0
            local.get $sum3_0
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total3_0
            local.get $total3_1
            local.get $sum3_1
            v128.const i8x16 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00 0x01 0x00
            i32x4.dot_i16x8_s
            i32x4.add
            local.set $total3_1
            local.get $steps
            i32.const 0
            i32.gt_s
            br_if 0
          end
        end
        local.get $scaleAt
        v128.load
        local.set $scale0
        local.get $scaleAt
        v128.load offset=16
        local.set $scale1
        local.get $row0
        local.get $row0
        v128.load
        local.get $total0_0
        f32x4.convert_i32x4_s
        local.get $scale0
        f32x4.mul
        f32x4.add
        v128.store
        local.get $row0
        local.get $row0
        v128.load offset=16
        local.get $total0_1
        f32x4.convert_i32x4_s
        local.get $scale1
        f32x4.mul
        f32x4.add
        v128.store offset=16
        local.get $row1
        local.get $row1
        v128.load
        local.get $total1_0
        f32x4.convert_i32x4_s
        local.get $scale0
        f32x4.mul
        f32x4.add
        v128.store
        local.get $row1
        local.get $row1
        v128.load offset=16
        local.get $total1_1
        f32x4.convert_i32x4_s
        local.get $scale1
        f32x4.mul
        f32x4.add
        v128.store offset=16
        local.get $row2
        local.get $row2
        v128.load
        local.get $total2_0
        f32x4.convert_i32x4_s
        local.get $scale0
        f32x4.mul
        f32x4.add
        v128.store
        local.get $row2
        local.get $row2
        v128.load offset=16
        local.get $total2_1
        f32x4.convert_i32x4_s
        local.get $scale1
        f32x4.mul
        f32x4.add
        v128.store offset=16
        local.get $row3
        local.get $row3
        v128.load
        local.get $total3_0
        f32x4.convert_i32x4_s
        local.get $scale0
        f32x4.mul
        f32x4.add
        v128.store
        local.get $row3
        local.get $row3
        v128.load offset=16
        local.get $total3_1
        f32x4.convert_i32x4_s
        local.get $scale1
        f32x4.mul
        f32x4.add
        v128.store offset=16
        local.get $scaleAt
        i32.const 64
        i32.add
        local.set $scaleAt
        local.get $group
        i32.const -1
        i32.add
        local.set $group
        local.get $group
        i32.const 0
        i32.gt_s
        br_if 0
      end
    end
    local.get $panel
    local.get $halfBytes
    i32.add
    local.set $at
    local.get $scales
    i32.const 32
    i32.add
    local.set $scales
    local.get $out
    i32.const 32
    i32.add
    local.set $out
    local.get $half
    i32.const -1
    i32.add
    local.tee $half
    br_if 0
  end
)
