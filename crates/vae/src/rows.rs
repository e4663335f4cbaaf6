//! Small operations on rows of tensors that several parts need.

use burn::tensor::Tensor;

/// `[B, P]` to `[B K, P]`: each row K times, so that row r belongs to example r / K.
pub(crate) fn repeat(x: Tensor<2>, k: usize) -> Tensor<2> {
    if k == 1 {
        return x;
    }
    let [rows, columns] = x.dims();
    x.reshape([rows, 1, columns])
        .repeat_dim(1, k)
        .reshape([rows * k, columns])
}

/// log sum exp over a dimension that stays with length 1; exact for rows of -inf.
pub(crate) fn log_sum_exp<const D: usize>(x: Tensor<D>, dim: usize) -> Tensor<D> {
    let peak = x.clone().detach().max_dim(dim).clamp_min(f32::MIN);
    (x - peak.clone()).exp().sum_dim(dim).log() + peak
}

/// Row sums of `[B, d]` as `[B]`.
pub(crate) fn sum(x: Tensor<2>) -> Tensor<1> {
    let [rows, columns] = x.dims();
    match columns {
        1 => x.reshape([rows]),
        _ => x.sum_dim(1).reshape([rows]),
    }
}

/// Means of K consecutive values, `[B K]` to `[B]`.
pub(crate) fn mean_of_samples(x: Tensor<1>, k: usize) -> Tensor<1> {
    if k == 1 {
        return x;
    }
    let [rows] = x.dims();
    x.reshape([rows / k, k]).mean_dim(1).reshape([rows / k])
}

/// Means of consecutive rows, as many that `batch` remain: `[B K, d]` to `[B, d]`.
pub(crate) fn mean_of_rows(x: Tensor<2>, batch: usize) -> Tensor<2> {
    let [rows, columns] = x.dims();
    if rows == batch {
        return x;
    }
    let groups = x.reshape([batch, rows / batch, columns]);
    groups.mean_dim(1).reshape([batch, columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn rows_by_hand() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
        let twice = repeat(x.clone(), 2)
            .into_data()
            .try_into_vec::<f32>()
            .unwrap();
        assert_eq!(twice, [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
        assert_eq!(
            sum(x.clone()).into_data().try_into_vec::<f32>().unwrap(),
            [3.0, 7.0]
        );
        let extreme = Tensor::<2>::from_floats([[1000.0, 1000.0], [f32::NEG_INFINITY; 2]], &device);
        let lse = log_sum_exp(extreme, 1)
            .into_data()
            .try_into_vec::<f32>()
            .unwrap();
        assert!((lse[0] - 1_000.693_1).abs() < 1e-3);
        assert!(lse[1] < -1e38);
        let flat = Tensor::<1>::from_floats([1.0, 3.0, 5.0, 9.0], &device);
        assert_eq!(
            mean_of_samples(flat, 2)
                .into_data()
                .try_into_vec::<f32>()
                .unwrap(),
            [2.0, 7.0]
        );
        let mean = mean_of_rows(x, 1).into_data().try_into_vec::<f32>();
        assert_eq!(mean.unwrap(), [2.0, 3.0]);
    }
}
