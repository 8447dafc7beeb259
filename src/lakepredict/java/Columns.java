package org.lakepredict;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.LambdaFunction;
import org.apache.spark.sql.catalyst.expressions.NamedLambdaVariable;
import org.apache.spark.sql.catalyst.expressions.OuterReference;
import org.apache.spark.sql.catalyst.expressions.SubqueryExpression;
import org.apache.spark.sql.catalyst.expressions.Unevaluable;
import scala.jdk.javaapi.CollectionConverters;

/** Says which columns an expression is about; a column is its id. */
public final class Columns {
  public static List list(scala.collection.Seq items) {
    return CollectionConverters.asJava(items);
  }

  public static scala.collection.immutable.Seq seq(List items) {
    return CollectionConverters.asScala(items).toSeq();
  }

  public static Set ids(scala.collection.Seq columns) {
    Set ids = new HashSet();
    for (Attribute column : (List<Attribute>) list(columns)) {
      ids.add(column.exprId());
    }
    return ids;
  }

  public static boolean mentions(Expression expression, Set ids) {
    for (Attribute column : (List<Attribute>) list(expression.references().toSeq())) {
      if (ids.contains(column.exprId())) {
        return true;
      }
    }
    return false;
  }

  public static boolean isOver(Expression expression, Set ids) {
    for (Attribute column : (List<Attribute>) list(expression.references().toSeq())) {
      if (!ids.contains(column.exprId())) {
        return false;
      }
    }
    return true;
  }

  /** True if an expression has one value for each row of these columns, which can be computed where they are. */
  public static boolean isOfRow(Expression expression, Set ids) {
    return expression.deterministic() && isOver(expression, ids) && isEvaluable(expression);
  }

  private static boolean isEvaluable(Expression expression) {
    boolean isSubquery = expression instanceof SubqueryExpression && expression.children().isEmpty();
    if (expression instanceof NamedLambdaVariable || expression instanceof OuterReference) {
      return false;
    }
    if (expression instanceof Unevaluable && !isSubquery && !(expression instanceof Attribute)) {
      return false;
    }
    for (Expression child : (List<Expression>) list(expression.children())) {
      if (!isEvaluable(child) && !(expression instanceof LambdaFunction)) {
        return false;
      }
    }
    return true;
  }

  /** The expression with definitions in the place of the columns with their ids. */
  public static Expression replaced(Expression expression, Map definitions) {
    if (expression instanceof Attribute) {
      Object definition = definitions.get(((Attribute) expression).exprId());
      return definition == null ? expression : (Expression) definition;
    }
    if (definitions.isEmpty() || !mentions(expression, definitions.keySet())) {
      return expression;
    }
    List children = new ArrayList();
    for (Expression child : (List<Expression>) list(expression.children())) {
      children.add(replaced(child, definitions));
    }
    return (Expression) expression.withNewChildren(seq(children));
  }

  public static int nodes(Expression expression) {
    int count = 1;
    for (Expression child : (List<Expression>) list(expression.children())) {
      count += nodes(child);
    }
    return count;
  }
}
