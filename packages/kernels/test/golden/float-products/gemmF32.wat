(func $gemmF32 (export "gemmF32") (param $M i32) (param $N i32) (param $K i32) (param $x i32) (param $xR i32) (param $w i32) (param $wR i32) (param $out i32) (param $outR i32) (param $scratch i32)
  local.get $M
  local.get $N
  local.get $K
  local.get $x
  local.get $xR
  i32.const 4
  local.get $w
  local.get $wR
  i32.const 4
  local.get $out
  local.get $outR
  i32.const 0
  local.get $scratch
  call $matmulF32
)
