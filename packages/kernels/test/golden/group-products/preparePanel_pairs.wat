(func $preparePanel_pairs (param $x i32) (param $xR i32) (param $tokens i32) (param $length i32) (param $group i32) (param $unitColumns i32) (param $dst i32) (param $tileBytes i32) (param $start i32) (param $inHalves i32) (param $starts i32) (param $startBytes i32)
  (local $value v128)
  (local $sum v128)
  (local $from i32)
  (local $to i32)
  (local $startTo i32)
  (local $rest i32)
  (local $left i32)
  (local $padding i32)
  (local $width i32)
  (local $token i32)
  local.get $tokens
  i32.const 0
  i32.gt_s
  if
    loop
      i32.const 4
      local.set $width
      local.get $tokens
      i32.const 4
      i32.lt_s
      if
        local.get $tokens
        local.set $width
      end
      i32.const 0
      local.set $token
      local.get $token
      local.get $width
      i32.lt_s
      if
        loop
          local.get $x
          local.set $from
          local.get $dst
          local.get $token
          i32.const 4
          i32.mul
          i32.add
          local.set $to
          local.get $starts
          local.get $token
          i32.const 4
          i32.mul
          i32.add
          local.set $startTo
          local.get $length
          local.set $rest
          local.get $rest
          i32.const 0
          i32.gt_s
          if
            loop
              local.get $group
              local.set $left
              local.get $rest
              local.get $group
              i32.lt_s
              if
                local.get $rest
                local.set $left
              end
              local.get $rest
              local.get $left
              i32.sub
              local.set $rest
              local.get $left
              local.get $unitColumns
              i32.const 1
              i32.sub
              i32.add
              i32.const 0
              local.get $unitColumns
              i32.sub
              i32.and
              local.get $left
              i32.const 7
              i32.add
              i32.const -8
              i32.and
              i32.sub
              local.set $padding
              v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
              local.set $sum
              local.get $left
              i32.const 0
              i32.gt_s
              if
                loop
                  local.get $from
                  v128.load8x8_s
                  local.set $value
                  local.get $value
                  local.get $value
                  i8x16.shuffle 0 1 4 5 2 3 6 7 8 9 12 13 10 11 14 15
                  local.set $value
                  local.get $to
                  local.get $value
                  v128.store32_lane 0
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $to
                  local.get $value
                  v128.store32_lane 1
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $to
                  local.get $value
                  v128.store32_lane 2
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $to
                  local.get $value
                  v128.store32_lane 3
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $from
                  i32.const 8
                  i32.add
                  local.set $from
                  local.get $left
                  i32.const -8
                  i32.add
                  local.set $left
                  local.get $left
                  i32.const 0
                  i32.gt_s
                  br_if 0
                end
              end
              local.get $padding
              i32.const 0
              i32.gt_s
              if
                loop
                  v128.const i8x16 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00
                  local.set $value
                  local.get $to
                  local.get $value
                  v128.store32_lane 0
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $to
                  local.get $value
                  v128.store32_lane 1
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $to
                  local.get $value
                  v128.store32_lane 2
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $to
                  local.get $value
                  v128.store32_lane 3
                  local.get $to
                  local.get $width
                  i32.const 4
                  i32.mul
                  i32.add
                  local.set $to
                  local.get $padding
                  i32.const -8
                  i32.add
                  local.set $padding
                  local.get $padding
                  i32.const 0
                  i32.gt_s
                  br_if 0
                end
              end
              local.get $rest
              i32.const 0
              i32.gt_s
              br_if 0
            end
          end
          local.get $x
          local.get $xR
          i32.add
          local.set $x
          local.get $token
          i32.const 1
          i32.add
          local.set $token
          local.get $token
          local.get $width
          i32.lt_s
          br_if 0
        end
      end
      local.get $dst
      local.get $tileBytes
      i32.add
      local.set $dst
      local.get $starts
      local.get $startBytes
      i32.add
      local.set $starts
      local.get $tokens
      i32.const -4
      i32.add
      local.set $tokens
      local.get $tokens
      i32.const 0
      i32.gt_s
      br_if 0
    end
  end
)
