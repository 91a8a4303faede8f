/// What the model's output means.
enum Prediction: String, CaseIterable {
  case epsilon
  case sample
  case velocity = "v_prediction"
}
